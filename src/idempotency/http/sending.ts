import { OutcomeUnknownError } from '../../core/errors.js';
import type { HeaderLines } from './answer.js';
import type { Reply } from './engine.js';
import { replayedHeader } from './problems.js';

/** A reply that is not the handler's own, ready to be sent by whatever framework. */
export function partsOf(reply: Extract<Reply, { kind: 'problem' | 'replay' }>): {
  readonly status: number;
  readonly headers: HeaderLines;
  readonly body: Uint8Array;
} {
  if (reply.kind === 'problem') return { ...reply.problem, headers: Object.entries(reply.problem.headers) };
  const { status, headers } = reply.answer;
  return { status, headers: reply.isFirst ? headers : [...headers, [replayedHeader, 'true']], body: reply.body };
}

/** The later ones count. */
export function merged(earlier: HeaderLines, later: HeaderLines): HeaderLines {
  const names = new Set(later.map(([name]) => name.toLowerCase()));
  return [...earlier.filter(([name]) => !names.has(name.toLowerCase())), ...later];
}

/** What a handler is given up with. */
export function abandoned(afterMs: number): OutcomeUnknownError {
  return new OutcomeUnknownError(`the client has left, and the handler did not answer within ${afterMs} ms: answer always`);
}
