import { describeBoard } from './board.cases.js';

describeBoard('firefox');
