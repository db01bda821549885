import { firstTouch, lateWrite, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import { inSeconds } from '../rows.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';
import type { WorkerHandle } from '../worker-handle.js';
import { blocked, handover, pair, refuseStalled, sunk, writes } from './pair.js';

const hourMs = 3_600_000;
const answerMsMax = 5_000;

/** Wall clocks that are stepped: the holder's back and then forward, that of who waits forward, and back during a standstill. */
export const clock: Fault = {
  id: 'clock',
  title: 'wall clocks are stepped by an hour',
  async try(scene) {
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    await step(scene, waiter, hourMs);
    await step(scene, holder, -hourMs);
    // Longer than the TTL: a lease that is no longer renewed, or no longer owed, would be over.
    await scene.pause(scene.ttlMs * 1.2);
    const kept = undisturbed(scene, holder, waiter);
    if (!kept.held) return [kept];
    const steppedMs = await step(scene, holder, hourMs);
    const next = await handover(scene, waiter, steppedMs, scene.handoverMs);
    const early = endedAtOnce(scene, holder, steppedMs);
    if (next.atMs === undefined) return [kept, early, next.verdict];
    await writes(scene, waiter);
    holder.tell({ do: 'write' });
    await sunk(scene, holder);
    const late = lateWrite(scene.turnOf(holder), scene.turnOf(waiter));
    const stood = await stepsBackAndStands(scene, waiter, holder);
    return [kept, early, next.verdict, late, ...stood];
  },
};

/** A clock that goes back while the process stands still makes no lease longer. */
async function stepsBackAndStands(scene: Scene, holder: WorkerHandle, waiter: WorkerHandle): Promise<readonly Verdict[]> {
  waiter.tell({ do: 'release' });
  waiter.tell({ do: 'take', name: scene.name, ttlMs: scene.ttlMs });
  await step(scene, holder, -hourMs);
  const stoodMs = await blocked(scene, holder);
  const next = await handover(scene, waiter, stoodMs, scene.handoverMs, 2);
  const goesOnMs = holder.unblock();
  await scene.maybe(answerMsMax, (note) =>
    note.type === 'touched' && note.atMs > goesOnMs && note.worker === holder.label ? true : undefined,
  );
  const { seen, held } = firstTouch(scene.turnOf(holder), goesOnMs);
  return [next.verdict, { promise: promises.clocks, promised: 'back, and a standstill: its lease ends', seen, held }];
}

/** @returns a moment before the step */
async function step(scene: Scene, worker: WorkerHandle, byMs: number): Promise<number> {
  const atMs = machineMs();
  worker.tell({ do: 'step', byMs });
  await scene.history.seen('the clock is stepped', answerMsMax, (note) =>
    note.type === 'stepped' && note.worker === worker.label && note.atMs > atMs ? true : undefined,
  );
  return atMs;
}

function undisturbed(scene: Scene, holder: WorkerHandle, waiter: WorkerHandle): Verdict {
  const [held, next] = [scene.turnOf(holder), scene.turnOf(waiter)];
  refuseStalled(scene, held);
  const kept = held?.lost === undefined && held?.refused.length === 0 && next?.granted === undefined;
  return {
    promise: promises.clocks,
    promised: 'holder back, waiter forward: no change',
    seen: kept ? 'held and renewed on' : next?.granted === undefined ? `lost (${held?.lost?.loss})` : 'the waiter was let in',
    held: kept,
  };
}

function endedAtOnce(scene: Scene, holder: WorkerHandle, steppedMs: number): Verdict {
  const turn = scene.turnOf(holder);
  const lost = turn?.lost;
  const tookMs = lost === undefined ? undefined : lost.atMs - lost.lagMs - steppedMs;
  const withinMs = Math.max(scene.ttlMs, scene.promptMs);
  return {
    promise: promises.clocks,
    promised: 'holder forward: its lease ends early',
    seen: tookMs === undefined ? 'the lease went on' : `after ${inSeconds(Math.max(0, tookMs))}`,
    held: tookMs !== undefined && tookMs <= withinMs,
  };
}
