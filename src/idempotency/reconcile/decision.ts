import { show } from '../../core/checks.js';
import { InvalidArgumentError } from '../../core/errors.js';
import type { LogEntry } from '../../core/request-log.js';
import type { Verdict } from '../reconciling.js';
import type { IdempotencyRecord, LateOutcome } from '../record.js';
import { decodeAnswer, encodeAnswer, type Encoded, type Keepable } from '../values.js';

/** A frozen request, as a reconciler has taken it. */
export interface FrozenRequest extends IdempotencyRecord {
  readonly recordKey: string;
  /**
   * Above that of the claim that froze, and raised at all declared sinks: what that claim still sends is refused there. Use it for
   * whatever `resolve` writes to them.
   */
  readonly fence: bigint;
}

/** What is known of it. Read after the fence was raised: at the declared sinks nothing is added any more by the claim that froze. */
export interface Evidence {
  /** What paused originals had to say after they had lost their lease. `answerOf` reads their answers. */
  readonly late: readonly LateOutcome[];
  /** The marks that stand now. */
  readonly marks: readonly { readonly sink: string; readonly resource: string; readonly mark: bigint }[];
  /** What a majority of the log's members has; undefined without a log. */
  readonly log: readonly LogEntry[] | undefined;
}

/** That nothing of a request was applied anywhere, and where one looked. */
export interface NothingApplied {
  /** What was asked: `the provider's list of charges`. */
  readonly source: string;
  /** What was looked for and not found: `a charge with this idempotency key`. */
  readonly notFound: string;
  /** The fence of the request as `resolve` was handed it: a look under an older one proves nothing. */
  readonly fence: bigint;
}

export type Decision =
  /** The answer is replayed from now on. `why`: for people. */
  | { readonly verdict: 'completed' | 'failed'; readonly value: Keepable; readonly why?: string }
  /** It may be executed again, by the next request with its key. */
  | { readonly verdict: 'retry'; readonly proof: NothingApplied }
  /** It stays frozen, is reported, and asked about again later. */
  | { readonly verdict: 'unknown'; readonly why?: string };

/** A decision after its check. */
export interface Decided {
  readonly verdict: Verdict;
  readonly why: string | undefined;
}

/** The answer in evidence, where it was kept. */
export function answerOf(answer: Encoded | string | undefined): Keepable {
  if (typeof answer === 'string') return decodeAnswer(answer);
  return answer?.kept === true ? decodeAnswer(answer.text) : undefined;
}

/**
 * Undefined for `unknown`.
 *
 * @throws InvalidArgumentError for a decision that must not be carried out
 */
export function checkDecision(
  decision: Decision,
  record: FrozenRequest,
  evidence: Evidence,
  bytesMax: number,
): Decided | undefined {
  switch (decision?.verdict) {
    case 'unknown':
      return undefined;
    case 'completed':
    case 'failed':
      return { verdict: { verdict: decision.verdict, answer: encodeAnswer(decision.value, bytesMax) }, why: line(decision.why) };
    case 'retry':
      return { verdict: { verdict: 'retry' }, why: checkProof(decision.proof, record, evidence) };
    default:
      throw new InvalidArgumentError(
        `resolve answered ${show((decision as { verdict?: unknown } | undefined)?.verdict)}: answer { verdict: 'completed' | 'failed' | 'retry' | 'unknown', … }`,
      );
  }
}

function checkProof(proof: NothingApplied | undefined, record: FrozenRequest, evidence: Evidence): string {
  const fix = 'give { source, notFound, fence } of a look that was made under the fence of the request, or answer unknown';
  if (!isText(proof?.source) || !isText(proof.notFound))
    throw new InvalidArgumentError(`retry without a proof that nothing was applied: ${fix}`);
  if (proof.fence !== record.fence) {
    throw new InvalidArgumentError(`retry with a proof under fence ${proof.fence}, and the request has ${record.fence}: ${fix}`);
  }
  const [late] = evidence.late.filter(({ outcome }) => outcome === 'completed' || outcome === 'failed');
  const done = evidence.log?.find((entry) => entry.kind === 'done' && !entry.inTransaction);
  if (late !== undefined || done !== undefined) {
    throw new InvalidArgumentError(
      `retry, although ${late === undefined ? 'the log' : 'the paused original'} says that the handler has ended with an outcome: answer completed, failed or unknown`,
    );
  }
  return line(`nothing applied: no ${proof.notFound} in ${proof.source}`) as string;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '';
}

const whyCharsMax = 512;

/** @throws InvalidArgumentError */
function line(why: unknown): string | undefined {
  if (why !== undefined && why !== null && typeof why !== 'string')
    throw new InvalidArgumentError(`why is ${typeof why}: give a text, or leave it out`);
  return why?.replace(/\s+/g, ' ').slice(0, whyCharsMax);
}
