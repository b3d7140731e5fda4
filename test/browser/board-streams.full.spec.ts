import { BROWSERS } from '../support/browsers.js';
import { describeBoardStreams } from './board-streams.cases.js';

for (const name of BROWSERS) describeBoardStreams(name);
