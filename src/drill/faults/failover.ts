import { overlapMs, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import { inSeconds } from '../rows.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';
import { handover, pair, writes } from './pair.js';

/** A master that hands over to another one while somebody holds and somebody waits. */
export const failover: Fault = {
  id: 'failover',
  title: 'the store fails over',
  alone: true,
  excludes: false,
  notHere: ({ failOver }) => (typeof failOver === 'function' ? undefined : failOver.why),
  async try(scene) {
    const { failOver } = scene.around;
    if (typeof failOver !== 'function') return [];
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    await writes(scene, holder);
    await failOver();
    // The holder has renewed at the new master by then, or was told that it is unknown there.
    await scene.pause(scene.ttlMs);
    const freedMs = machineMs();
    holder.tell({ do: 'release' });
    const next = await handover(scene, waiter, freedMs, scene.handoverMs);
    if (next.atMs !== undefined) await writes(scene, waiter);
    return [next.verdict, together(scene)];
  },
};

/** The new master may never have heard of the hold: then two work, until the renewal of the first. */
function together(scene: Scene): Verdict {
  const ms = overlapMs(scene.turns);
  const boundMs = scene.ttlMs / 2 + scene.promptMs;
  return {
    promise: promises.exclusion,
    promised: `two at once for no longer than ${inSeconds(boundMs)}`,
    seen: ms > 0 ? `two at once, for ${inSeconds(ms)}` : 'never two at once',
    held: ms <= boundMs,
  };
}
