import { describeFlash } from './flash.cases.js';

describeFlash('firefox');
