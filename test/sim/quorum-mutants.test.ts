import { describe } from 'vitest';
import { everyMutantIsCaught } from './gate-suite.js';
import { quorumMutants } from './quorum-mutants.js';

describe('worlds of several nodes find', () => {
  everyMutantIsCaught(quorumMutants, '--quorum');
});
