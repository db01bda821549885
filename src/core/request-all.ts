import { elapsedMs, type Ports } from './clock.js';
import { LeaseLostError } from './errors.js';
import type { Lease } from './lease.js';
import type { RequestOptions } from './options.js';
import { domException } from './weblocks.js';

/** Leases in the order in which their names were given, and a signal that aborts with the first loss. */
export interface LeaseSet extends ReadonlyArray<Lease> {
  readonly signal: AbortSignal;
}

interface Requester {
  request<T>(name: string, options: RequestOptions, callback: (lease: Lease | null) => T | PromiseLike<T>): Promise<T>;
}

/**
 * Nested requests in sorted order. A loss rejects at once, as for a single request; but the other locks of the set
 * stay held until the callback has ended, because its work may still be running.
 */
export function requestInOrder<T>(
  locks: Requester,
  ports: Ports,
  names: readonly string[],
  options: RequestOptions,
  waitMs: number | undefined,
  callback: (leases: LeaseSet | null) => T | PromiseLike<T>,
): Promise<T> {
  const sorted = [...new Set(names)].sort();
  const startedAt = ports.now();
  const taken = new Map<string, Lease>();
  let work: Promise<T> | undefined;
  let ended = false;

  const run = (leases: LeaseSet | null): Promise<T> => {
    work = (async () => callback(leases))().finally(() => {
      ended = true;
    });
    return work;
  };

  const remaining = (): RequestOptions => {
    if (options.ifAvailable === true || options.steal === true) return options;
    // A loss of one that is taken ends the wait for the next.
    const signals = [...taken.values()].map((lease) => lease.signal);
    if (options.signal !== undefined) signals.push(options.signal);
    const signal = signals.length === 0 ? {} : { signal: AbortSignal.any(signals) };
    if (waitMs === undefined || waitMs === 0) return { ...options, ...signal };
    // Never 0 by the passing of time: that would mean "try once" instead of "too late".
    return { ...options, ...signal, waitMs: Math.max(1, waitMs - elapsedMs(startedAt, ports.now())) };
  };

  return new Promise<T>((resolve, reject) => {
    const take = async (index: number): Promise<T> => {
      const name = sorted[index];
      if (name === undefined) {
        // One of them may have been lost while the others were waited for.
        for (const lease of taken.values()) lease.assertHeld();
        return run(leaseSet(names, taken));
      }
      return locks.request(name, remaining(), async (lease) => {
        if (lease === null) return unavailable as T;
        taken.set(name, lease);
        try {
          return await take(index + 1);
        } catch (error) {
          // While the work runs, a loss rejects at once; everything else, when all has been given back.
          if (work !== undefined && !ended) reject(asAbort(error));
          throw error;
        } finally {
          await Promise.allSettled([work]);
        }
      });
    };
    take(0)
      .then((result) => (result === unavailable ? run(null) : result))
      .then(resolve, (error: unknown) => reject(asAbort(error)));
  });
}

/** Of the loss of one that was taken while another was waited for; requests do the same by themselves. */
function asAbort(error: unknown): unknown {
  return error instanceof LeaseLostError ? domException('AbortError', error) : error;
}

const unavailable = Symbol('one of the locks is not available') as unknown;

function leaseSet(names: readonly string[], taken: ReadonlyMap<string, Lease>): LeaseSet {
  const leases = names.map((name) => taken.get(name) as Lease);
  return Object.assign(leases, { signal: AbortSignal.any(leases.map((lease) => lease.signal)) });
}
