/**
 * The version of everything in this folder. Functions carry it in their names (`v2_acquire`), so that processes with two versions of this library
 * can share the tables while they are rolled out: each installs and calls its own. What was released never changes: one changed function makes a new version of all,
 * and tables get no more than columns with defaults.
 *
 * 1: 0.1.0. 2: who stands behind others is woken; `revoke` of one fence; `read`; records are listed, and set in a transaction.
 */
export const version = 2;

/** What names of functions begin with. */
export const v = `v${version}`;
