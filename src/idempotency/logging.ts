import { OutcomeUnknownError } from '../core/errors.js';
import type { Context } from './context.js';
import type { LiveClaim } from './live-claim.js';
import type { Encoded } from './values.js';

/** Before the handler runs. @throws what the log throws, and then the handler must not run */
export async function logStarted({ settings, calls, node }: Context, { recordKey, record }: LiveClaim): Promise<void> {
  const { log, callTimeoutMs } = settings;
  if (log === undefined) return;
  const { attempt, fence } = record;
  await calls.promise(callTimeoutMs, 'appending to the log', () => log.started({ recordKey, attempt, fence, node }));
}

/**
 * Before anybody can be told of the outcome, hence before it is in the record, where others would replay it.
 *
 * @throws OutcomeUnknownError: then nobody may be told
 */
export async function logDone(
  { settings, calls, node }: Context,
  { recordKey, record }: LiveClaim,
  outcome: 'completed' | 'failed',
  answer: Encoded,
  inTransaction: boolean,
): Promise<void> {
  const { log, callTimeoutMs } = settings;
  if (log === undefined) return;
  const { attempt, fence } = record;
  const entry = { recordKey, attempt, fence, node, outcome, answer: answer.kept ? answer.text : undefined, inTransaction };
  try {
    await calls.promise(callTimeoutMs, 'appending to the log', () => log.done(entry));
  } catch (cause) {
    const message = `the request "${record.key}" was executed, but the log has not acknowledged its outcome: it is not executed again; reconcile it`;
    throw new OutcomeUnknownError(message, { lock: recordKey, cause });
  }
}
