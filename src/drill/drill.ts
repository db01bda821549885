import { randomBytes } from 'node:crypto';
import type { Backend } from '../core/backend.js';
import { messageOf } from '../core/calls.js';
import { systemPorts } from '../core/clock.js';
import { Holdfast } from '../core/holdfast.js';
import { faults } from './faults/index.js';
import { History, WorkerFailed } from './history.js';
import { exclusion, fences, owed } from './judge.js';
import type { Report } from './report.js';
import type { NotTried, Row } from './rows.js';
import { type Fault, Scene, type Stage, type Surroundings } from './scene.js';
import { machineMs } from './time.js';
import { cleanUp } from './cleaning.js';

export interface DrillOptions {
  /** How long a holder that falls silent keeps the others waiting: most of the time that a drill takes. */
  readonly ttlMs: number;
  /** Ids of the faults to try. Default: all. */
  readonly only?: readonly string[];
  /** Ends the drill; it cleans up before it rejects with the reason. */
  readonly signal: AbortSignal;
  readonly onFault?: (fault: { readonly id: string; readonly title: string }) => void;
}

/** What every name of a drill starts with. */
const prefix = 'holdfast-drill:';

/**
 * Has workers hold names of the drill's own, lets things go wrong with them, and compares what was promised with what was seen. All workers
 * have ended when it settles, and nothing is held any more.
 *
 * @param backend is closed at the end
 * @throws HoldfastError if the store cannot be used; the signal's reason
 */
export async function drill(backend: Backend, around: Surroundings, options: DrillOptions): Promise<Report> {
  const sinceMs = machineMs();
  const { min, max } = backend.traits.ttlMs;
  const ttlMs = Math.min(Math.max(options.ttlMs, min), max);
  const own = `${prefix}${randomBytes(6).toString('hex')}:`;
  const locks = new Holdfast(backend, { ttlMs }, { ...systemPorts(), warn: () => {} });
  const stage: Stage = { prefix: own, ttlMs, traits: backend.traits, locks, around };
  const chosen = faults.filter(({ id }) => options.only?.includes(id) ?? true);
  const outcomes = new Map<Fault, Outcome>();
  const next = async (fault: Fault) => {
    options.signal.throwIfAborted();
    const why = fault.notHere?.(around);
    if (why !== undefined) return void outcomes.set(fault, { fault: fault.id, why, failed: false });
    options.onFault?.(fault);
    outcomes.set(fault, await tried(fault, stage, options.signal));
  };
  let left: number | undefined;
  try {
    // A store that is away is said at once, and not by every fault in turn.
    await locks.query(own);
    const quiet = chosen.filter(({ alone }) => alone !== true);
    await settled(
      Array.from({ length: lanes }, (_, lane) =>
        inTurn(
          quiet.filter((_fault, i) => i % lanes === lane),
          next,
        ),
      ),
    );
    await inTurn(
      chosen.filter(({ alone }) => alone === true),
      next,
    );
  } finally {
    left = await cleanUp(locks, own);
  }
  const found = chosen.map((fault) => outcomes.get(fault) as Outcome);
  const rows = found.flatMap((outcome) => ('why' in outcome ? [] : outcome));
  const notTried = found.flatMap((outcome) => ('why' in outcome ? [outcome] : []));
  return { ttlMs, rows, notTried, left, tookMs: machineMs() - sinceMs };
}

type Outcome = readonly Row[] | NotTried;

/** Faults that are tried at the same time: most of each is waiting for a TTL to pass. */
const lanes = 3;

async function inTurn(some: readonly Fault[], next: (fault: Fault) => Promise<void>): Promise<void> {
  for (const fault of some) await next(fault);
}

/** All of them, also if one fails: each must have ended its workers. @throws what the first one threw */
async function settled(works: readonly Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(works)) if (result.status === 'rejected') throw result.reason;
}

/** @throws the signal's reason */
async function tried(fault: Fault, stage: Stage, signal: AbortSignal): Promise<Outcome> {
  const scene = new Scene(stage, fault.id, new History(signal), signal);
  try {
    const own = await fault.try(scene);
    const verdicts = [
      ...own,
      ...(fault.excludes === false ? [] : [owed(scene.turns), exclusion(scene.turns)]),
      fences(scene.turns),
    ];
    return verdicts.map((verdict) => ({ fault: fault.id, ...verdict }));
  } catch (error) {
    if (signal.aborted) throw error;
    const code = error instanceof WorkerFailed ? ` (${error.code})` : '';
    return { fault: fault.id, why: `${messageOf(error)}${code}`, failed: true };
  } finally {
    await scene.end();
  }
}
