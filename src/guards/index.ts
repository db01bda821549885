export type { FencedWrite, Guard } from '../core/guard.js';
export { type Verdict, type Verification, type VerifyOptions, verifyGuard, verifySink } from './verify.js';
