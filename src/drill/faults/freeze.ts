import { firstTouch, lateWrite, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import type { Fault, Scene } from '../scene.js';
import type { WorkerHandle } from '../worker-handle.js';
import { handover, pair, refuseStalled, sunk, writes } from './pair.js';

/** A holder that stands still past its TTL, and goes on as if nothing had been: it writes, releases, and asks again. */
export const freeze: Fault = {
  id: 'freeze',
  title: 'the holder is stopped past its TTL (SIGSTOP)',
  async try(scene) {
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    const frozenMs = await holder.freeze();
    const next = await handover(scene, waiter, frozenMs, scene.handoverMs);
    if (next.atMs === undefined) return [next.verdict];
    await writes(scene, waiter);
    holder.tell({ do: 'write' });
    holder.tell({ do: 'release' });
    holder.tell({ do: 'take', name: scene.name, ttlMs: scene.ttlMs });
    const wokeMs = await holder.thaw();
    await sunk(scene, holder);
    const stale = await lateRelease(scene, holder, waiter);
    const [late, after] = [scene.turnOf(holder), scene.turnOf(waiter)];
    return [next.verdict, firstTouch(late, wokeMs), lateWrite(late, after), stale];
  },
};

/** The release that comes too late frees nobody: its own sender, which asks again, has to wait. */
async function lateRelease(scene: Scene, holder: WorkerHandle, waiter: WorkerHandle): Promise<Verdict> {
  await scene.maybe(scene.handoverMs, (note) =>
    note.worker === holder.label && 'turn' in note && note.turn === 2 && (note.type === 'waiting' || note.type === 'granted')
      ? true
      : undefined,
  );
  // One renewal of the next holder, which would find out.
  await scene.pause(scene.ttlMs / 2);
  const [again, next] = [scene.turnOf(holder, 2), scene.turnOf(waiter)];
  refuseStalled(scene, next);
  const kept = again?.granted === undefined && next?.lost === undefined;
  waiter.tell({ do: 'release' });
  await scene.granted(holder, scene.promptMs, 2);
  return {
    promise: promises.stale,
    promised: 'its late release frees nobody',
    seen: kept ? 'the next one kept the name' : 'the next one lost the name by it',
    held: kept,
  };
}
