import { describeRolling } from './rolling.js';

describeRolling('stock clients as they are', ['polling', 'websocket']);
