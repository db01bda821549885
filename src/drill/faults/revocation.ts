import type { Verdict } from '../judge.js';
import { promises } from '../promises.js';
import { inSeconds } from '../rows.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';
import type { WorkerHandle } from '../worker-handle.js';
import { handover, pair, refuseStalled } from './pair.js';

/** A hold that an operator ends: the holder goes on renewing what it no longer has. */
export const revocation: Fault = {
  id: 'revoke',
  title: 'an operator ends the hold',
  async try(scene) {
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    const revokedMs = machineMs();
    await scene.locks.revoke(scene.name, { reason: 'a drill' });
    scene.history.add({ type: 'revoked', worker: holder.label, atMs: revokedMs });
    const next = await handover(scene, waiter, revokedMs, scene.promptMs);
    const told = await hears(scene, holder, revokedMs);
    if (next.atMs === undefined) return [next.verdict, told];
    // Both would have renewed once more by then.
    await scene.pause(scene.ttlMs / 2);
    return [next.verdict, told, notRevived(scene, waiter)];
  },
};

async function hears(scene: Scene, holder: WorkerHandle, revokedMs: number): Promise<Verdict> {
  const withinMs = scene.ttlMs / 2 + scene.promptMs;
  const atMs = await scene.maybe(withinMs * 2, (note) =>
    note.type === 'lost' && note.worker === holder.label ? note.atMs : undefined,
  );
  const tookMs = atMs === undefined ? undefined : atMs - revokedMs;
  return {
    promise: promises.stale,
    promised: `its next renewal is refused, within ${inSeconds(withinMs)}`,
    seen: tookMs === undefined ? 'it was renewed on' : `after ${inSeconds(tookMs)}`,
    held: tookMs !== undefined && tookMs <= withinMs,
  };
}

function notRevived(scene: Scene, waiter: WorkerHandle): Verdict {
  refuseStalled(scene, scene.turnOf(waiter));
  const lost = scene.turnOf(waiter)?.lost;
  return {
    promise: promises.stale,
    promised: 'a renewal takes nothing from the next one',
    seen: lost === undefined ? 'the next one kept the name' : `the next one lost it (${lost.loss})`,
    held: lost === undefined,
  };
}
