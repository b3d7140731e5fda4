import { describeLegacy } from './legacy.cases.js';

describeLegacy('firefox');
