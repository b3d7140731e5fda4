import { describeBoardStreams } from './board-streams.cases.js';

describeBoardStreams('chromium');
