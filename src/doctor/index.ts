export { Commands } from './commands.js';

export { judge } from './judge.js';
export { observe, type Question } from './observe.js';
export { type Post, postAt } from './post.js';
export { type Scan, scan } from './scan.js';
export { isWell, type Verdict, type VerdictId, verdictIds } from './verdict.js';
