import { describeRoundRobin } from './round-robin.js';

describeRoundRobin(30, 20);
