import { describeRolling } from './rolling.js';

describeRolling('clients that poll', ['polling']);
describeRolling('clients by WebSocket alone', ['websocket']);
