import { limits } from '../../core/limits.js';
import { needlessRefusals, overtakes, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import { inSeconds } from '../rows.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';

const workerCount = 4;
const workMs = 8;
/** Some tens of turns for each, on stores that take milliseconds for one. */
const runMs = 1_500;

/** Several processes that want the same name all the time. */
export const contention: Fault = {
  id: 'contention',
  title: `${workerCount} processes want the same name`,
  alone: true,
  async try(scene) {
    const labels = Array.from({ length: workerCount }, (_, i) => `worker ${i + 1}`);
    const workers = await Promise.all(labels.map((label) => scene.worker(label)));
    for (const worker of workers) worker.tell({ do: 'contend', name: scene.name, ttlMs: scene.ttlMs, workMs });
    await scene.pause(runMs);
    const stoppedMs = machineMs();
    for (const worker of workers) worker.tell({ do: 'rest' });
    const boundMs = waitMsMax(scene);
    for (const { label } of workers) {
      await scene.maybe(boundMs + scene.ttlMs, (note) => (note.type === 'rested' && note.worker === label ? true : undefined));
    }
    return [waits(scene, boundMs, stoppedMs), ...inOrder(scene), needlessRefusals(scene.turns)];
  },
};

/** Every other one's turn first, and one of them may have fallen silent at the head of the queue. */
function waitMsMax(scene: Scene): number {
  return workerCount * (workMs + scene.promptMs) + limits.claimMs;
}

function waits(scene: Scene, boundMs: number, stoppedMs: number): Verdict {
  const endMs = Math.max(stoppedMs, machineMs());
  const longestMs = Math.max(...scene.turns.map(({ askedMs, granted }) => (granted?.atMs ?? endMs) - askedMs));
  const turns = new Map<string, number>();
  for (const { worker, granted } of scene.turns) turns.set(worker, (turns.get(worker) ?? 0) + (granted === undefined ? 0 : 1));
  const counts = [...turns.values()];
  const seen = `longest wait ${inSeconds(longestMs)}, ${Math.min(...counts)} to ${Math.max(...counts)} turns each`;
  // Without a queue waiters compete: that is said of the store, and nothing is promised.
  if (!scene.traits.queue) return { promise: promises.turns, promised: 'no order: this store has no queue', seen, held: true };
  return { promise: promises.turns, promised: `a turn within ${inSeconds(boundMs)}`, seen, held: longestMs <= boundMs };
}

function inOrder({ turns, traits }: Scene): readonly Verdict[] {
  if (!traits.queue) return [];
  const count = overtakes(turns, limits.claimMs);
  const seen = count === 0 ? 'in their order' : `${count} of ${turns.length} asks were overtaken by later ones`;
  return [{ promise: promises.turns, promised: 'in the order of the asks', seen, held: count === 0 }];
}
