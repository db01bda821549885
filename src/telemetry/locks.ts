import type { Stop } from '../core/backend.js';
import type { LiveEvents, LiveRenewal, LiveTurn, LockEvents } from '../core/events.js';
import { listen } from './channels.js';
import { type Group, Groups } from './groups.js';
import { type Instrument, instruments } from './instruments.js';
import { driftPercent, WatchedHolds } from './leases.js';
import type { Histogram, Meter, Reading } from './meter.js';

/** What the instruments of locks are kept by: all instances of this process. */
export class LockWatch {
  readonly #groups: Groups;
  readonly #holds = new WatchedHolds();
  readonly #meter: Meter;
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #storeCalls = new Map<string, Map<string, Histogram>>();

  constructor(meter: Meter, groupOf: ((name: string) => string) | undefined, now: () => number) {
    this.#meter = meter;
    this.#now = now;
    this.#startedMs = now();
    this.#groups = new Groups(meter, groupOf, now);
    this.#gauge(instruments.waitQueue, ({ waiting }) => waiting);
    this.#gauge(instruments.held, ({ held }) => held);
    this.#gauge(instruments.overdue, ({ overdue }) => overdue);
    this.#gauge(instruments.ttl, ({ ttlMs }) => seconds(ttlMs.read(now())));
    this.#gauge(instruments.expectedHold, ({ expectedHoldMs }) => seconds(expectedHoldMs.read(now())));
    meter.gauge(instruments.drift, () => {
      const drifts = this.#holds.drifts(now());
      return this.#read((group) => drifts.get(group) ?? 0);
    });
  }

  start(): Stop {
    const stops = [this.#listen(), this.#listenToTurns()];
    return () => {
      for (const stop of stops) stop();
    };
  }

  #listen(): Stop {
    const now = this.#now;
    return listen<LockEvents>('holdfast:', {
      requested: ({ name }) => {
        this.#groups.of(name).waiting += 1;
      },
      abandoned: ({ name, waitedMs = 0 }) => this.#waitedEnough(this.#groups.of(name), waitedMs, now()),
      refused: ({ name, waitedMs = 0 }) => this.#waitedEnough(this.#groups.of(name), waitedMs, now()),
      'renewal-failed': ({ name }) => {
        const group = this.#groups.of(name);
        group.renewalFailed.add(1);
        group.staleRenewal.add(1);
      },
      'store-call': ({ op, outcome, tookMs }) => this.#storeCall(op, outcome).record(tookMs / 1_000),
    });
  }

  #listenToTurns(): Stop {
    return listen<LiveEvents>('holdfast:live:', {
      granted: (turn) => this.#granted(turn),
      renewed: (renewal) => this.#renewed(renewal),
      released: (turn) => {
        const { releaseOutcome: outcome } = turn;
        const group = this.#groups.of(turn.name);
        group.releases[outcome ?? 'released'].add(1);
        this.#ended(group, turn, outcome === undefined);
      },
      lost: (turn) => {
        const group = this.#groups.of(turn.name);
        if (turn.loss !== undefined) group.lost[turn.loss].add(1);
        this.#ended(group, turn, false);
      },
      overdue: ({ holdKey, mintedFence }) => this.#overdue(holdKey, mintedFence),
    });
  }

  #granted(turn: LiveTurn): void {
    const group = this.#groups.of(turn.name);
    const { holdKey, mode, ttlMs, waitedMs, expectedHoldMs = 0 } = turn;
    group.latency[mode].record(waitedMs / 1_000);
    const nowMs = this.#now();
    this.#waitedEnough(group, waitedMs, nowMs);
    group.ttlMs.note(ttlMs, nowMs);
    group.expectedHoldMs.note(expectedHoldMs, nowMs);
    this.#holds.began(holdKey, group, ttlMs, nowMs);
  }

  /** Callers that waited before anyone watched were not counted then. */
  #waitedEnough(group: Group, waitedMs: number, nowMs: number): void {
    if (nowMs - waitedMs >= this.#startedMs && group.waiting > 0) group.waiting -= 1;
  }

  #renewed({ holdKey, name, ttlMs, goneMs }: LiveRenewal): void {
    this.#groups.of(name).renewed.add(1);
    const hold = this.#holds.get(holdKey);
    if (hold === undefined) return;
    hold.landedAtMs = this.#now();
    hold.driftPercent = driftPercent(goneMs, ttlMs);
  }

  #ended(group: Group, { holdKey, mintedFence, heldMs }: LiveTurn, goesOn: boolean): void {
    group.hold.record(heldMs / 1_000);
    this.#holds.ended(holdKey, mintedFence, goesOn);
  }

  #overdue(holdKey: object, fence: bigint): void {
    const hold = this.#holds.get(holdKey);
    if (hold === undefined) return;
    hold.overdue ??= new Set();
    hold.overdue.add(fence);
    hold.group.overdue += 1;
  }

  /** By two steps: a key made of both would cost more than the rest. */
  #storeCall(op: string, outcome: string): Histogram {
    let ofOp = this.#storeCalls.get(op);
    if (ofOp === undefined) {
      ofOp = new Map();
      this.#storeCalls.set(op, ofOp);
    }
    let histogram = ofOp.get(outcome);
    if (histogram === undefined) {
      histogram = this.#meter.histogram(instruments.storeCall, { op, outcome });
      ofOp.set(outcome, histogram);
    }
    return histogram;
  }

  #gauge(instrument: Instrument, of: (group: Group) => number | undefined): void {
    this.#meter.gauge(instrument, () => this.#read(of));
  }

  /** Groups without a value are left out. */
  *#read(of: (group: Group) => number | undefined): Iterable<Reading> {
    for (const group of this.#groups) {
      const value = of(group);
      if (value !== undefined) yield { labels: { group: group.name }, value };
    }
  }
}

/** Undefined for 0: nothing was seen. */
function seconds(ms: number): number | undefined {
  return ms === 0 ? undefined : ms / 1_000;
}
