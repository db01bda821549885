import { firstTouch, lateWrite } from '../judge.js';
import type { Fault } from '../scene.js';
import { blocked, handover, pair, sunk, writes } from './pair.js';

/** A holder whose event loop stands still past its TTL: no timer can run, and no signal can be heard. */
export const block: Fault = {
  id: 'block',
  title: 'the event loop of the holder is blocked past its TTL',
  async try(scene) {
    const { holder, waiter, broken } = await pair(scene);
    if (broken) return [];
    const blockedMs = await blocked(scene, holder);
    const next = await handover(scene, waiter, blockedMs, scene.handoverMs);
    if (next.atMs === undefined) return [next.verdict];
    await writes(scene, waiter);
    holder.tell({ do: 'write' });
    const goesOnMs = holder.unblock();
    await sunk(scene, holder);
    const [late, after] = [scene.turnOf(holder), scene.turnOf(waiter)];
    return [next.verdict, firstTouch(late, goesOnMs), lateWrite(late, after)];
  },
};
