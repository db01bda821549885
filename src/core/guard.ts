import { Buffer } from 'node:buffer';
import { channel } from 'node:diagnostics_channel';
import { type ErrorDetails, InvalidArgumentError, type StaleFence, StaleFenceError } from './errors.js';
import { fenceMax } from './fence.js';
import { limits } from './limits.js';
import { encodeName } from './name.js';

/** What is about to be written to, and under which fence: that of a lease, of a term, or of a claim. */
export interface FencedWrite {
  /** What the fences protect: any string. Usually the name of the lock. */
  readonly resource: string;
  /** 1 … 2^63 − 1. */
  readonly fence: bigint;
}

/**
 * Makes a sink refuse writes that are late. For each resource the sink keeps a mark: the highest fence that it has seen. A fence
 * below the mark is refused, an equal one is accepted, a higher one raises it, in the same atomic step as the write. A mark never
 * expires and never goes back.
 *
 * @typeParam Context what the work writes with: a transaction, or a collector of writes
 */
export interface Guard<Context> {
  /** Names the sink in messages, such as `postgres`. Nothing branches on it. */
  readonly sink: string;
  /**
   * Checks the fence, raises the mark, and does what `work` writes, all or nothing. Work that throws leaves nothing behind, no
   * mark either, and its error is passed on.
   *
   * @throws StaleFenceError nothing was written
   * @throws OutcomeUnknownError the answer was lost: it may or may not have been written. Running it again under the same fence is allowed
   * by the guard; whether it is harmless is a matter of what is written
   * @throws BackendUnavailableError nothing was written
   */
  run<T>(write: FencedWrite, work: (context: Context) => T | Promise<T>): Promise<T>;
  /**
   * Raises the mark and writes nothing else. From its return on every lower fence is refused. Answers the mark that stands now, which is
   * higher than `fence` where somebody was ahead: never a StaleFenceError. May be repeated.
   *
   * @throws OutcomeUnknownError, BackendUnavailableError
   */
  raise(write: FencedWrite): Promise<bigint>;
  /** The mark as it stands, or undefined if the sink has seen no fence for this resource. To look at: it may be higher a moment later. */
  mark(resource: string): Promise<bigint | undefined>;
}

/** A write whose parts were checked. */
export interface CheckedWrite extends FencedWrite {
  /** The resource as stores can hold it: encoded without loss, as names are. */
  readonly encoded: string;
}

/** @throws InvalidArgumentError */
export function checkedWrite({ resource, fence }: FencedWrite): CheckedWrite {
  if (typeof fence !== 'bigint' || fence < 1n || fence > fenceMax) {
    const given = typeof fence === 'bigint' ? `${fence}` : `a ${typeof fence}`;
    throw new InvalidArgumentError(`a fence is a bigint from 1 to 2^63 - 1, not ${given}: pass lease.fence as it is`);
  }
  return { resource, fence, encoded: checkedResource(resource) };
}

/**
 * The encoded resource.
 *
 * @throws InvalidArgumentError
 */
export function checkedResource(resource: string): string {
  if (typeof resource !== 'string') {
    throw new InvalidArgumentError(`a resource is a string, not ${typeof resource}: pass the name of what the fences protect`);
  }
  const encoded = encodeName(resource);
  const bytes = Buffer.byteLength(encoded);
  if (bytes > limits.nameBytesMax) {
    throw new InvalidArgumentError(
      `a resource may take ${limits.nameBytesMax} bytes, "${resource.slice(0, 40)}…" takes ${bytes}: use a shorter one, or a digest of it`,
    );
  }
  return encoded;
}

/** On `node:diagnostics_channel`: each fence that a sink refused, as a `StaleFence`. */
export const fenceRejectedChannel = 'holdfast:fence-rejected';
const rejections = channel(fenceRejectedChannel);

/** Whoever listens hears of a fence that a sink refused. */
export function tellRejected(stale: StaleFence): void {
  if (rejections.hasSubscribers) rejections.publish(stale);
}

/** The error of a fence that a sink refused; whoever listens hears of it. */
export function staleFence(stale: StaleFence, details?: ErrorDetails): StaleFenceError {
  tellRejected(stale);
  return new StaleFenceError(stale, details);
}

/** @throws StaleFenceError if the mark is higher */
export function refuseStale(sink: string, { resource, fence }: FencedWrite, mark: bigint): void {
  if (fence < mark) throw staleFence({ sink, resource, fence, mark });
}
