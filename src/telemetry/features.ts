import type { Stop } from '../core/backend.js';
import type { StaleFence } from '../core/errors.js';
import { fenceRejectedChannel } from '../core/guard.js';
import { type ReconciliationEvents, reconciliationChannelPrefix } from '../idempotency/reconcile/events.js';
import { type OutboxEvents, outboxChannelPrefix } from '../outbox/events.js';
import { listen, listenTo } from './channels.js';
import { watchDeduplication } from './deduplication.js';
import { instruments } from './instruments.js';
import type { Counter, Meter, Reading } from './meter.js';

/** What guards, idempotency, reconcilers and relays tell. */
export function watchFeatures(meter: Meter, now: () => number): Stop {
  const stops = [watchFences(meter), watchDeduplication(meter, now), watchReconcilers(meter), watchRelays(meter, now)];
  return () => {
    for (const stop of stops) stop();
  };
}

function watchFences(meter: Meter): Stop {
  const counters = new Map<string, Counter>();
  return listenTo(fenceRejectedChannel, ({ sink }: StaleFence) => {
    const counter = counters.get(sink) ?? meter.counter(instruments.fenceRejections, { sink });
    counters.set(sink, counter);
    counter.add(1);
  });
}

/** Absent where no reconciler has passed yet, or its term is over: another process knows. */
function watchReconcilers(meter: Meter): Stop {
  const frozen = new Map<string, number>();
  meter.gauge(instruments.frozenRecords, function* (): Iterable<Reading> {
    if (frozen.size > 0) yield { labels: {}, value: [...frozen.values()].reduce((sum, each) => sum + each, 0) };
  });
  return listen<ReconciliationEvents>(reconciliationChannelPrefix, {
    passed: ({ job, frozen: left }) => void frozen.set(job, left),
    ended: ({ job }) => void frozen.delete(job),
  });
}

interface Behind {
  readonly lagMs: number;
  readonly seenAtMs: number;
  /** The database has not answered since: it goes on growing. */
  readonly growing: boolean;
}

/** Absent where no relay runs: `absent(outbox_lag_seconds)` says so. */
function watchRelays(meter: Meter, now: () => number): Stop {
  const relays = new Map<string, Behind>();
  const lagMs = ({ lagMs: ms, seenAtMs, growing }: Behind) => (growing ? ms + now() - seenAtMs : ms);
  meter.gauge(instruments.outboxLag, function* (): Iterable<Reading> {
    if (relays.size > 0) yield { labels: {}, value: Math.max(...[...relays.values()].map(lagMs)) / 1_000 };
  });
  return listen<OutboxEvents>(outboxChannelPrefix, {
    lag({ relay, lagMs: ms }) {
      const last = relays.get(relay);
      if (ms !== undefined) relays.set(relay, { lagMs: ms, seenAtMs: now(), growing: false });
      else relays.set(relay, { lagMs: last?.lagMs ?? 0, seenAtMs: last?.seenAtMs ?? now(), growing: true });
    },
    ended: ({ relay }) => void relays.delete(relay),
  });
}
