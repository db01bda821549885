import type { Stop } from '../core/backend.js';
import { type IdempotencyEvents, idempotencyChannelPrefix } from '../idempotency/events.js';
import { listen } from './channels.js';
import { fromZero, groupsMax, otherGroup } from './groups.js';
import { instruments } from './instruments.js';
import type { Counter, Meter, Reading } from './meter.js';
import { Recent } from './recent.js';

const outcomes = ['executed', 'replayed', 'mismatch', 'running', 'frozen', 'full'] as const;
type Outcome = (typeof outcomes)[number];

interface Admitted {
  all: number;
  replayed: number;
}

class Operation {
  readonly counters: Record<Outcome, Counter>;
  readonly recent: Recent<Admitted>;

  constructor(meter: Meter, operation: string, nowMs: number) {
    const { deduplicationRequests: requests } = instruments;
    const series = outcomes.map((outcome) => [outcome, fromZero(meter.counter(requests, { operation, outcome }))]);
    this.counters = Object.fromEntries(series) as Record<Outcome, Counter>;
    this.recent = new Recent<Admitted>(() => ({ all: 0, replayed: 0 }), nowMs);
  }

  count(outcome: Outcome, nowMs: number): void {
    this.counters[outcome].add(1);
    const current = this.recent.current(nowMs);
    current.all += 1;
    if (outcome === 'replayed') current.replayed += 1;
  }

  /** Undefined where nobody asked. */
  hitRatio(nowMs: number): number | undefined {
    const [current, previous] = this.recent.all(nowMs);
    const all = current.all + previous.all;
    return all === 0 ? undefined : (current.replayed + previous.replayed) / all;
  }
}

/** What became of requests with an idempotency key. Operations are labels: they come from the program, but are bounded all the same. */
export function watchDeduplication(meter: Meter, now: () => number): Stop {
  const operations = new Map<string, Operation>();
  const count = (name: string, outcome: Outcome) => {
    const label = operations.has(name) || operations.size < groupsMax ? name : otherGroup;
    const operation = operations.get(label) ?? new Operation(meter, label, now());
    operations.set(label, operation);
    operation.count(outcome, now());
  };
  meter.gauge(instruments.deduplicationHitRatio, function* (): Iterable<Reading> {
    for (const [operation, requests] of operations) {
      const value = requests.hitRatio(now());
      if (value !== undefined) yield { labels: { operation }, value };
    }
  });
  return listen<IdempotencyEvents>(idempotencyChannelPrefix, {
    claimed: ({ operation }) => count(operation, 'executed'),
    replayed: ({ operation }) => count(operation, 'replayed'),
    mismatch: ({ operation }) => count(operation, 'mismatch'),
    running: ({ operation }) => count(operation, 'running'),
    full: ({ operation }) => count(operation, 'full'),
    frozen({ operation, because, here }) {
      // That one was executed, and counted.
      if (because !== 'error-after-effect' || !here) count(operation, 'frozen');
    },
  });
}
