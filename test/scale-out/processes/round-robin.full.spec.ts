import { describeRoundRobin } from './round-robin.js';

describeRoundRobin(200, 50);
