import type { Verdict } from '../judge.js';
import { promises } from '../promises.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';
import type { WorkerHandle } from '../worker-handle.js';
import { handover, pair, writes } from './pair.js';

/** A holder that is killed: nobody says so, and nobody gives the name back. The next one does. */
export const crash: Fault = {
  id: 'crash',
  title: 'the holder is killed (SIGKILL)',
  async try(scene) {
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    const killedMs = await holder.kill();
    const withinMs = scene.traits.seesDeadHolders ? scene.promptMs : scene.handoverMs;
    const next = await handover(scene, waiter, killedMs, withinMs);
    if (next.atMs === undefined) return [next.verdict];
    await writes(scene, waiter);
    return [next.verdict, await givenBack(scene, waiter)];
  },
};

/**
 * Twice, with nobody else who wants the name: many stores forget such a name, and its fences have to go on above the last one all the same.
 * The second hold is longer than the next one waits, so that its TTL cannot be what frees the name.
 */
async function givenBack(scene: Scene, worker: WorkerHandle): Promise<Verdict> {
  const longMs = Math.min(Math.max(scene.ttlMs, 5 * scene.promptMs), scene.traits.ttlMs.max);
  worker.tell({ do: 'release' });
  worker.tell({ do: 'take', name: scene.name, ttlMs: longMs });
  await scene.granted(worker, scene.handoverMs, 2);
  const gaveMs = machineMs();
  worker.tell({ do: 'release' });
  worker.tell({ do: 'take', name: scene.name, ttlMs: scene.ttlMs });
  const { verdict } = await handover(scene, worker, gaveMs, scene.promptMs, 3);
  return { ...verdict, promise: promises.freed };
}
