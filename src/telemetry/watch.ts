import { performance } from 'node:perf_hooks';
import type { Stop } from '../core/backend.js';
import { watchFeatures } from './features.js';
import { LockWatch } from './locks.js';
import type { Meter } from './meter.js';

export interface MetricsOptions {
  /**
   * The label `group` of a lock's name, such as the part before the first `:`. Without it, all locks are one group, `all`: names are no
   * labels, because there is no end to them. Beyond 200 groups, and where it throws, the group is `other`.
   */
  readonly groupOf?: (name: string) => string;
}

/** Feeds a meter with what happens in this process, until it is stopped. */
export function watchInto(meter: Meter, { groupOf }: MetricsOptions): Stop {
  const now = () => performance.now();
  const stops = [new LockWatch(meter, groupOf, now).start(), watchFeatures(meter, now)];
  return () => {
    for (const stop of stops) stop();
  };
}
