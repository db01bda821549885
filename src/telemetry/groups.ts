import type { Loss } from '../core/errors.js';
import type { ReleaseOutcome } from '../core/lease.js';
import { instruments } from './instruments.js';
import type { Counter, Histogram, Meter } from './meter.js';
import { RecentMax } from './recent.js';

/** Groups beyond this many are one: names must not become labels by accident. */
export const groupsMax = 200;
/** The group of what has none, and of what came too late for one. */
export const otherGroup = 'other';
/** The group of everything, without a function that says more. */
export const allGroup = 'all';

const losses = ['expired', 'stolen', 'revoked', 'forgotten', 'overdue'] as const;
const outcomes = ['released', 'absent', 'not-owner', 'unknown'] as const;

/** What is counted for one group of names. All series of counters are there from the start, at 0: a first failure is an increase. */
export class Group {
  readonly name: string;
  readonly latency: Record<'exclusive' | 'shared', Histogram>;
  readonly hold: Histogram;
  readonly renewed: Counter;
  readonly renewalFailed: Counter;
  readonly staleRenewal: Counter;
  readonly lost: Readonly<Record<Loss, Counter>>;
  readonly releases: Readonly<Record<ReleaseOutcome, Counter>>;
  readonly expectedHoldMs: RecentMax;
  readonly ttlMs: RecentMax;
  waiting = 0;
  held = 0;
  overdue = 0;

  constructor(meter: Meter, name: string, nowMs: number) {
    const group = { group: name };
    this.name = name;
    const { acquisitionLatency, hold, renewals, renewalFailures, lost, releases } = instruments;
    this.latency = {
      exclusive: meter.histogram(acquisitionLatency, { ...group, mode: 'exclusive' }),
      shared: meter.histogram(acquisitionLatency, { ...group, mode: 'shared' }),
    };
    this.hold = meter.histogram(hold, group);
    this.renewed = fromZero(meter.counter(renewals, { ...group, outcome: 'renewed' }));
    this.renewalFailed = fromZero(meter.counter(renewals, { ...group, outcome: 'failed' }));
    this.staleRenewal = fromZero(meter.counter(renewalFailures, group));
    this.lost = byEach(losses, (loss) => meter.counter(lost, { ...group, loss }));
    this.releases = byEach(outcomes, (outcome) => meter.counter(releases, { ...group, outcome }));
    this.expectedHoldMs = new RecentMax(nowMs);
    this.ttlMs = new RecentMax(nowMs);
  }
}

function byEach<K extends string>(keys: readonly K[], counterOf: (key: K) => Counter): Readonly<Record<K, Counter>> {
  return Object.fromEntries(keys.map((key) => [key, fromZero(counterOf(key))])) as Record<K, Counter>;
}

/** A series that is there before anything has happened. */
export function fromZero(counter: Counter): Counter {
  counter.add(0);
  return counter;
}

/** The groups that were seen, and a bound on them. */
export class Groups {
  readonly #meter: Meter;
  readonly #groupOf: ((name: string) => string) | undefined;
  readonly #now: () => number;
  readonly #all = new Map<string, Group>();
  /** Mostly the next event is about the same name. */
  #lastName: string | undefined;
  #last: Group | undefined;

  constructor(meter: Meter, groupOf: ((name: string) => string) | undefined, now: () => number) {
    this.#meter = meter;
    this.#groupOf = groupOf;
    this.#now = now;
  }

  of(name: string): Group {
    if (this.#last !== undefined && this.#lastName === name) return this.#last;
    this.#last = this.#find(name);
    this.#lastName = name;
    return this.#last;
  }

  #find(name: string): Group {
    const asked = this.#groupOf === undefined ? allGroup : this.#ask(name, this.#groupOf);
    const known = this.#all.get(asked);
    if (known !== undefined) return known;
    const label = this.#all.size < groupsMax ? asked : otherGroup;
    let group = this.#all.get(label);
    if (group === undefined) {
      group = new Group(this.#meter, label, this.#now());
      this.#all.set(label, group);
    }
    return group;
  }

  /** The user's function must not take a count with it when it throws. */
  #ask(name: string, groupOf: (name: string) => string): string {
    try {
      const group: unknown = groupOf(name);
      return typeof group === 'string' && group !== '' ? group : otherGroup;
    } catch {
      return otherGroup;
    }
  }

  [Symbol.iterator](): Iterator<Group> {
    return this.#all.values();
  }
}
