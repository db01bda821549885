export { type Candidate, type CandidateState, lead, type LeadOptions, type LeadWork } from './candidate.js';
export { type Leader, leader, type Leadership, observe, type ObserveOptions } from './observe.js';
export type { Term } from './term.js';
