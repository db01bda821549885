import { exclusion, owed, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import type { Opener } from '../protocol.js';
import { inSeconds } from '../rows.js';
import type { Scene } from '../scene.js';
import type { Turn } from '../turns.js';
import type { WorkerHandle } from '../worker-handle.js';

export interface Pair {
  readonly holder: WorkerHandle;
  readonly waiter: WorkerHandle;
  /** The waiter did not have to wait: the store excludes nobody, and there is nothing more to try. */
  readonly broken: boolean;
}

const answerMsMax = 10_000;
/** A standstill of so much of the TTL may have cost a lease that had one failed renewal, or none. */
const stallRatioMin = 0.25;

/** One holds, one waits. @param opener how the holder reaches the store */
export async function pair(scene: Scene, opener?: Opener): Promise<Pair> {
  const [holder, waiter] = await Promise.all([scene.worker('holder', opener), scene.worker('waiter')]);
  const take = { do: 'take', name: scene.name, ttlMs: scene.ttlMs } as const;
  holder.tell(take);
  await scene.history.seen('a free name is granted', answerMsMax, (note) => (note.type === 'granted' ? note : undefined));
  waiter.tell(take);
  const first = await scene.history.seen('a held name is refused', answerMsMax, (note) =>
    note.worker === waiter.label && (note.type === 'waiting' || note.type === 'granted') ? note.type : undefined,
  );
  // Long enough that the belief of both would be seen.
  if (first === 'granted') await scene.pause(100);
  if (first === 'granted' && owed(scene.turns).held && exclusion(scene.turns).held) {
    throw new Error('the holder had lost its lease before anything was done to it: try it with a longer --ttl, or less to do');
  }
  return { holder, waiter, broken: first === 'granted' };
}

export interface Handover {
  readonly verdict: Verdict;
  /** When the next one had it; undefined if it never did. */
  readonly atMs: number | undefined;
}

/** The waiter gets the name, soon enough after `sinceMs`. */
export async function handover(
  scene: Scene,
  waiter: WorkerHandle,
  sinceMs: number,
  withinMs: number,
  turn = 1,
): Promise<Handover> {
  const atMs = await scene.granted(waiter, withinMs, turn);
  const tookMs = atMs === undefined ? undefined : atMs - sinceMs;
  const verdict = {
    promise: promises.replaced,
    promised: `the next one within ${inSeconds(withinMs)}`,
    seen: tookMs === undefined ? `nobody within ${inSeconds(withinMs * 2)}` : `after ${inSeconds(tookMs)}`,
    held: tookMs !== undefined && tookMs <= withinMs,
  };
  return { verdict, atMs };
}

/**
 * @throws Error where the turn ended because this machine did not let its worker run: that says nothing of the store
 */
export function refuseStalled({ ttlMs }: Scene, turn: Turn | undefined): void {
  const { loss, lagMs } = turn?.lost ?? { loss: '', lagMs: 0 };
  if (loss !== 'expired' || lagMs < ttlMs * stallRatioMin) return;
  throw new Error(`this machine let a worker stand still for ${inSeconds(lagMs)}: try it with a longer --ttl, or less to do`);
}

/** Its event loop stands still until `unblock`. Answers a moment at which it stood. */
export function blocked(scene: Scene, worker: WorkerHandle): Promise<number> {
  worker.tell({ do: 'block' });
  return scene.history.seen('the event loop stands', answerMsMax, (note) =>
    note.type === 'blocked' && note.worker === worker.label ? note.atMs : undefined,
  );
}

/** The worker writes under the fence of its beginning; resolves when the sink has answered. */
export async function writes(scene: Scene, worker: WorkerHandle): Promise<void> {
  worker.tell({ do: 'write' });
  await sunk(scene, worker);
}

export async function sunk(scene: Scene, worker: WorkerHandle): Promise<void> {
  await scene.maybe(answerMsMax, (note) => (note.type === 'sank' && note.worker === worker.label ? true : undefined));
}
