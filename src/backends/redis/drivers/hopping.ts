import { clearTimeout, setTimeout } from 'node:timers';
import type { Stop } from '../../../core/backend.js';
import { backoffMs } from '../../../core/backoff.js';

const pauseMsMin = 50;
const pauseMsMax = 1_000;

/**
 * Listens at one node and says when messages arrive from now on, and when no more will: it is then stopped, and another
 * one begun.
 */
export type Listen = (active: () => void, lost: () => void) => Stop;

/**
 * A subscription in a Cluster, at any node of it, and at another when that one goes away. What is published at one node
 * is heard at all. `SPUBLISH`, which stays in the shard, would need a channel in the slot of every name that is waited
 * for, hence a subscription per name and connections to all masters, which move whenever a slot does; a process
 * has one channel on one connection instead, and a hand-over costs the Cluster a message to every node.
 */
export function hopping(listen: Listen, active: () => void): Stop {
  let stop: Stop = () => {};
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let tries = 0;
  const begin = () => {
    let over = false;
    const lost = () => {
      if (over || stopped) return;
      over = true;
      tries += 1;
      timer = setTimeout(
        () => {
          stop();
          begin();
        },
        backoffMs(tries, pauseMsMin, pauseMsMax, Math.random()),
      ).unref();
    };
    stop = listen(() => {
      if (over || stopped) return;
      tries = 0;
      active();
    }, lost);
  };
  begin();
  return () => {
    stopped = true;
    clearTimeout(timer);
    stop();
  };
}

/** Any of them. */
export function anyOf<T>(nodes: readonly T[]): T | undefined {
  return nodes[Math.floor(Math.random() * nodes.length)];
}
