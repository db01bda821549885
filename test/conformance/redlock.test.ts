import { redlockConformance } from '../support/redlock-conformance.js';

redlockConformance(5, 'ioredis 5');
redlockConformance(3, 'node-redis 5');
