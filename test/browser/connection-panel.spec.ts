import { describeConnectionPanel } from './connection-panel.cases.js';

describeConnectionPanel('chromium');
