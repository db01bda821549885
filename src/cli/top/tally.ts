import type { Shown } from '../json.js';

/** One look at the store: all that is held and waited for, by one clock of this process. */
export interface Look {
  readonly atMs: number;
  readonly records: readonly Shown[];
}

export interface Spread {
  /** How many it is told from. */
  readonly count: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
}

/** What is known of a group of names. All but what stands there now is told from what differs between looks. */
export interface GroupLine {
  readonly group: string;
  /** Names that are held or waited for now. */
  readonly names: number;
  readonly held: number;
  readonly waiting: number;
  /** At least: a hold that begins and ends between two looks is seen by nobody. */
  readonly grantsPerS: number;
  /** Of holds that were seen to end; give or take the pause between two looks. */
  readonly hold: Spread;
  readonly oldestHoldMs: number;
  /** Of holds that were seen to begin; who was never seen waiting counts as 0. */
  readonly wait: Spread;
  readonly oldestWaitMs: number;
  /** At least: holds that were not renewed until their time was over. Since the first look. */
  readonly lost: number;
}

export interface Frame {
  /** What rates and spreads are told from. */
  readonly overMs: number;
  readonly groups: readonly GroupLine[];
}

const windowMs = 60_000;
/** What remembering costs is bounded, however many names and groups there are. */
const samplesMax = 1_000;
const groupsMax = 200;
const others = '(others)';
/** A holder that lives renews after a third of the TTL: less than this share is left only where renewals fail. */
const unrenewedRatio = 0.5;

interface Sample {
  readonly atMs: number;
  readonly ms: number;
}

interface Past {
  /** How many were seen at a look. */
  grants: { readonly atMs: number; count: number }[];
  holds: Sample[];
  waits: Sample[];
  lost: number;
}

/** Compares successive looks. */
export class Tally {
  readonly #groupOf: (name: string) => string;
  readonly #pasts = new Map<string, Past>();
  #firstMs: number | undefined;
  #last: { readonly atMs: number; readonly byId: ReadonlyMap<string, Shown> } | undefined;

  /** @param groupOf the group of a name */
  constructor(groupOf: (name: string) => string) {
    this.#groupOf = groupOf;
  }

  look({ atMs, records }: Look): Frame {
    this.#firstMs ??= atMs;
    const byId = new Map(records.map((record) => [idOf(record), record]));
    const last = this.#last;
    if (last !== undefined) {
      for (const [id, record] of byId) if (record.state === 'held') this.#held(record, last.byId.get(id), atMs, last.atMs);
      for (const [id, record] of last.byId) {
        if (record.state === 'held' && byId.get(id)?.state !== 'held') this.#ended(record, atMs, last.atMs);
      }
    }
    this.#last = { atMs, byId };
    this.#forget(atMs - windowMs);
    return { overMs: Math.min(windowMs, atMs - this.#firstMs), groups: this.#lines(records, atMs) };
  }

  #held(record: Shown, before: Shown | undefined, atMs: number, lastMs: number): void {
    if (before?.state === 'held') return;
    const past = this.#past(record.name);
    const grantedMs = atMs - record.sinceMs;
    const waitedMs = before === undefined ? 0 : Math.max(0, grantedMs - (lastMs - before.sinceMs));
    const counted = past.grants.at(-1);
    if (counted?.atMs === atMs) counted.count += 1;
    else past.grants.push({ atMs, count: 1 });
    push(past.waits, { atMs, ms: waitedMs });
  }

  /** When between the two looks, nobody knows: the middle is wrong by half of the pause at most. */
  #ended(record: Shown, atMs: number, lastMs: number): void {
    const past = this.#past(record.name);
    const pauseMs = atMs - lastMs;
    push(past.holds, { atMs, ms: record.sinceMs + pauseMs / 2 });
    const leftMs = record.expiresInMs ?? Number.POSITIVE_INFINITY;
    if (leftMs <= pauseMs && leftMs < record.ttlMs * unrenewedRatio) past.lost += 1;
  }

  #past(name: string): Past {
    const group = this.#known(this.#groupOf(name));
    let past = this.#pasts.get(group);
    if (past === undefined) {
      past = { grants: [], holds: [], waits: [], lost: 0 };
      this.#pasts.set(group, past);
    }
    return past;
  }

  #known(group: string): string {
    return this.#pasts.has(group) || this.#pasts.size < groupsMax ? group : others;
  }

  #forget(beforeMs: number): void {
    for (const [group, past] of this.#pasts) {
      past.grants = past.grants.filter(({ atMs }) => atMs > beforeMs);
      past.holds = past.holds.filter(({ atMs }) => atMs > beforeMs);
      past.waits = past.waits.filter(({ atMs }) => atMs > beforeMs);
      if (past.grants.length + past.holds.length + past.lost === 0) this.#pasts.delete(group);
    }
  }

  #lines(records: readonly Shown[], atMs: number): readonly GroupLine[] {
    const now = new Map<string, Shown[]>([...this.#pasts.keys()].map((group) => [group, []]));
    for (const record of records) {
      const own = this.#groupOf(record.name);
      const group = now.has(own) || now.size < groupsMax ? own : others;
      const found = now.get(group);
      if (found === undefined) now.set(group, [record]);
      else found.push(record);
    }
    const lines = [...now].map(([group, found]) => this.#line(group, found, atMs));
    return lines.sort((a, b) => b.held + b.waiting - (a.held + a.waiting) || b.grantsPerS - a.grantsPerS || order(a, b));
  }

  #line(group: string, records: readonly Shown[], atMs: number): GroupLine {
    const past = this.#pasts.get(group);
    const overS = Math.min(windowMs, atMs - (this.#firstMs ?? atMs)) / 1_000;
    const held = records.filter(({ state }) => state === 'held');
    const waiting = records.filter(({ state }) => state === 'waiting');
    return {
      group,
      names: new Set(records.map(({ name }) => name)).size,
      held: held.length,
      waiting: waiting.length,
      grantsPerS: overS === 0 ? 0 : (past?.grants ?? []).reduce((sum, { count }) => sum + count, 0) / overS,
      hold: spreadOf(past?.holds ?? []),
      oldestHoldMs: oldest(held),
      wait: spreadOf(past?.waits ?? []),
      oldestWaitMs: oldest(waiting),
      lost: past?.lost ?? 0,
    };
  }
}

/** Of one ask, whether it waits or holds. */
function idOf({ name, ownerDigest }: Shown): string {
  return JSON.stringify([name, ownerDigest]);
}

function push<T>(list: T[], item: T): void {
  list.push(item);
  if (list.length > samplesMax) list.shift();
}

function spreadOf(samples: readonly Sample[]): Spread {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function oldest(records: readonly Shown[]): number {
  return records.reduce((ms, { sinceMs }) => Math.max(ms, sinceMs), 0);
}

function order(a: GroupLine, b: GroupLine): number {
  return a.group < b.group ? -1 : Number(a.group > b.group);
}
