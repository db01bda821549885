import type { Asked } from './options.js';
import type { About, RunOutcome } from './outcome.js';
import type { IdempotencyRecord } from './record.js';
import { decodeAnswer } from './values.js';

/** What a record that is decided tells whoever asks again. */
export function replayOf<T, F>(asked: Asked, record: IdempotencyRecord): Extract<RunOutcome<T, F>, { outcome: 'replayed' }> {
  const about = aboutOf(asked, record);
  const state = record.state === 'FAILED' ? 'failed' : 'completed';
  const { answer } = record;
  if (answer?.kept !== true) return { outcome: 'replayed', kept: false, state, because: answer?.because ?? 'not-json', ...about };
  const value = decodeAnswer(answer.text);
  return state === 'failed'
    ? { outcome: 'replayed', kept: true, state, value: value as F, ...about }
    : { outcome: 'replayed', kept: true, state, value: value as T, ...about };
}

export function aboutOf({ recordKey }: Asked, { attempt, fence }: IdempotencyRecord): About {
  return { recordKey, attempt, fence };
}
