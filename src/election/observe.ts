import type { Metadata } from '../core/backend.js';
import { duration, refuseUnknown } from '../core/checks.js';
import { type Ports, systemPorts } from '../core/clock.js';
import { detached } from '../core/detached.js';
import { ClosedError } from '../core/errors.js';
import type { Holdfast } from '../core/holdfast.js';
import { limits } from '../core/limits.js';
import type { NodeIdentity } from '../core/node.js';
import { pause } from '../core/pause.js';

/** Who leads, as the store shows it. It may have died: then it is shown until its TTL is over. */
export interface Leader {
  readonly term: bigint;
  readonly metadata: Metadata;
  readonly node: NodeIdentity;
  /** Whether its process lives; undefined where that cannot be seen from here. */
  readonly alive?: boolean;
}

export type Leadership =
  | { readonly state: 'led'; readonly leader: Leader }
  /** Nobody holds the name. */
  | { readonly state: 'vacant' }
  /** The store did not say: whoever was shown last may lead or not. */
  | { readonly state: 'unknown'; readonly cause: unknown };

export interface ObserveOptions {
  /** Pause between two looks, in milliseconds. A look reads one name. Default: 1 s. */
  readonly lookMs?: number;
  /** Ends the observation. */
  readonly signal?: AbortSignal;
}

/**
 * Who leads now, by one look at the store.
 *
 * @throws HoldfastError with code `BACKEND_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `INVALID_ARGUMENT`; DOMException `InvalidStateError` if the
 *   instance is closed
 */
export async function leader(locks: Holdfast, name: string): Promise<Leader | undefined> {
  const { held } = await locks.inspect(name);
  const record = held.find(({ mode }) => mode === 'exclusive');
  if (record?.fence === undefined) return undefined;
  const { fence: term, metadata, node, alive } = record;
  return { term, metadata, node, ...(alive === undefined ? {} : { alive }) };
}

/**
 * Who leads, first as it is now, then each time that it has changed: another term, none, or no answer from the store. What it says is at
 * most `lookMs` and one call to the store old; a change that was over between two looks is not shown. Ends when
 * the loop over it is left, the signal is aborted, or the instance is closed.
 *
 * @throws InvalidArgumentError
 */
export function observe(locks: Holdfast, name: string, options: ObserveOptions = {}): AsyncIterableIterator<Leadership> {
  refuseUnknown(options, ['lookMs', 'signal']);
  const lookMs = duration('lookMs', options.lookMs, limits.lookMsMin, limits.durationMsMax) ?? limits.lookMsDefault;
  return changes(locks, name, lookMs, options.signal, systemPorts());
}

async function* changes(
  locks: Holdfast,
  name: string,
  lookMs: number,
  signal: AbortSignal | undefined,
  ports: Ports,
): AsyncGenerator<Leadership> {
  let shown: Leadership | undefined;
  while (signal?.aborted !== true) {
    const seen = await look(locks, name);
    if (seen === undefined) return;
    if (shown === undefined || differs(shown, seen)) {
      shown = seen;
      yield seen;
    }
    await pause(ports, lookMs, signal);
  }
}

/** Undefined if the instance is closed. */
async function look(locks: Holdfast, name: string): Promise<Leadership | undefined> {
  try {
    const found = await detached(() => leader(locks, name));
    return found === undefined ? { state: 'vacant' } : { state: 'led', leader: found };
  } catch (error) {
    const cause = error instanceof DOMException ? error.cause : error;
    if (cause instanceof ClosedError) return undefined;
    return { state: 'unknown', cause };
  }
}

function differs(a: Leadership, b: Leadership): boolean {
  if (a.state === 'led' && b.state === 'led') return a.leader.term !== b.leader.term;
  return a.state !== b.state;
}
