import { describeFlash } from './flash.cases.js';

describeFlash('chromium');
