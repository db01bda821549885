import type { Stop } from '../../../core/backend.js';
import type { Timer } from '../../../core/clock.js';
import type { LockName } from '../../../core/name.js';
import type { Group } from './group.js';

/** A release arrives at the nodes one after the other: whoever asks at the first word of it finds the others still held. */
const gatherMs = 1;

/** Wake-ups from all nodes: those of one release become one. */
export function watchAll(group: Group, name: LockName, wake: () => void): Stop {
  const { ports } = group.context;
  let timer: Timer | undefined;
  let stopped = false;
  const heard = () => {
    if (stopped) return;
    timer ??= ports.timer(gatherMs, () => {
      timer = undefined;
      wake();
    });
  };
  const stops = group.members.map(({ node }) => node.watch(name, heard));
  return () => {
    stopped = true;
    timer?.cancel();
    for (const stop of stops) stop();
  };
}
