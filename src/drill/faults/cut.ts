import { lateWrite, type Verdict } from '../judge.js';
import { promises } from '../promises.js';
import { behindProxies, Proxies } from '../proxies.js';
import { inSeconds } from '../rows.js';
import type { Fault, Scene } from '../scene.js';
import { machineMs } from '../time.js';
import type { Turn } from '../turns.js';
import { handover, pair, sunk, writes } from './pair.js';

/** A holder that is cut off from the store, by a network that loses everything and breaks no connection. */
export const cut: Fault = {
  id: 'cut',
  title: 'the holder is cut off from the store',
  notHere: ({ tcp }) => behindProxies(tcp),
  async try(scene) {
    const { tcp, opener } = scene.around;
    if (tcp === undefined) return [];
    const proxies = await Proxies.before(tcp.url, tcp.portDefault);
    try {
      return await cutOff(scene, proxies, { ...opener, args: [proxies.url] });
    } finally {
      // Before its worker is to give back: over connections that are open again.
      proxies.speak();
      await scene.end();
      await proxies.close();
    }
  },
};

async function cutOff(scene: Scene, proxies: Proxies, opener: Scene['around']['opener']): Promise<readonly Verdict[]> {
  const { holder, waiter, broken } = await pair(scene, opener);
  if (broken) return [];
  const cutMs = machineMs();
  proxies.silence();
  const next = await handover(scene, waiter, cutMs, scene.handoverMs);
  if (next.atMs === undefined) return [next.verdict, told(scene.turnOf(holder), cutMs, undefined)];
  await writes(scene, waiter);
  proxies.speak();
  holder.tell({ do: 'write' });
  await sunk(scene, holder);
  const [late, after] = [scene.turnOf(holder), scene.turnOf(waiter)];
  return [next.verdict, told(late, cutMs, next.atMs), lateWrite(late, after)];
}

/** The timers of the holder's own process may have been late by as much as its event loop was. */
function told(turn: Turn | undefined, cutMs: number, nextMs: number | undefined): Verdict {
  const lost = turn?.lost;
  const held = lost !== undefined && lost.atMs - lost.lagMs <= (nextMs ?? Infinity);
  return {
    promise: promises.loss,
    promised: 'told before the next one has it',
    seen: lost === undefined ? 'not told' : `${held ? 'told' : 'told too late,'} after ${inSeconds(lost.atMs - cutMs)}`,
    held,
  };
}
