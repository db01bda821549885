import { setTimeout as sleep } from 'node:timers/promises';
import type { LockRecord } from '../core/backend.js';
import { asHoldfastError } from '../core/calls.js';
import type { ForeignLock } from '../core/examination.js';
import { limits } from '../core/limits.js';
import type { NodeIdentity } from '../core/node.js';
import type { Commands } from './commands.js';
import { type Facts, holdKey, isForeign, type Look } from './facts.js';
import { overdueAtMs } from './holds.js';
import { judge } from './judge.js';
import type { Post } from './post.js';
import { type ProcessSight, sightOf } from './processes.js';
import { type Similar, similarNames } from './similar.js';
import { isWell, type Verdict, type VerdictId } from './verdict.js';

export interface ScanOptions {
  readonly prefix: string;
  readonly expectedHoldMs: number | undefined;
  /** Longest pause between the two walks. Default: 6,000, in which renewals show of TTLs up to 11 s; of longer ones only what is late by then. */
  readonly patienceMs?: number;
  /** Called now and then with how many records were read in this walk, of two. */
  readonly progress?: (walk: 1 | 2, records: number) => void;
}

export interface Scan {
  readonly names: number;
  readonly holds: number;
  readonly waiters: number;
  /** How many names got each verdict. */
  readonly counts: ReadonlyMap<VerdictId, number>;
  /** Names with something the matter. */
  readonly found: readonly { readonly name: string; readonly verdicts: readonly Verdict[] }[];
  readonly similar: readonly Similar[];
}

/** After so many records the store gets a rest as long as they took: it has at most half of its time for us. */
const portion = 200;
const patienceMsDefault = 6_000;
/** What is seen twice is so; nothing passes on as slowly. */
const pauseMsMin = 300;

/** One name, as a walk has met it. */
interface Met {
  readonly held: LockRecord[];
  readonly waiting: LockRecord[];
  readonly processes: Map<string, ProcessSight>;
  atMs: number;
}

/**
 * Looks at all names twice. What needs more than a listing (what a foreign lock is, claims, sinks, records) is told by looking at one name.
 *
 * @throws HoldfastError
 */
export async function scan(post: Post, commands: Commands, options: ScanOptions): Promise<Scan> {
  const first = await walk(post, options, 1);
  const waitMs = pauseAfter(first, options.patienceMs ?? patienceMsDefault);
  if (waitMs > 0) await sleep(waitMs);
  const second = waitMs > 0 ? await walk(post, options, 2) : first;
  const counts = new Map<VerdictId, number>();
  const found: { name: string; verdicts: readonly Verdict[] }[] = [];
  for (const [name, met] of second) {
    const verdicts = verdictsOn(post, commands, options, name, first.get(name), met);
    for (const { id } of verdicts) counts.set(id, (counts.get(id) ?? 0) + 1);
    if (!verdicts.every(isWell)) found.push({ name, verdicts });
  }
  const all = [...second.values()];
  const total = (count: (met: Met) => number) => all.reduce((sum, met) => sum + count(met), 0);
  return {
    names: second.size,
    holds: total(({ held }) => held.length),
    waiters: total(({ waiting }) => waiting.length),
    counts,
    found,
    similar: similarNames(new Set(second.keys())),
  };
}

async function walk(post: Post, { prefix, progress }: ScanOptions, number: 1 | 2): Promise<Map<string, Met>> {
  const { backend, calls, ports, callTimeoutMs } = post;
  const names = new Map<string, Met>();
  const see = sights(post.self);
  const listing = backend.list(prefix)[Symbol.asyncIterator]();
  let records = 0;
  let sinceMs = ports.now().monotonicMs;
  try {
    for (;;) {
      const step = await calls.promise(callTimeoutMs * limits.listStepTimeouts, 'listing', () => listing.next());
      if (step.done === true) break;
      add(names, step.value, ports.now().monotonicMs, see(step.value));
      records += 1;
      if (records % portion > 0) continue;
      progress?.(number, records);
      await sleep(ports.now().monotonicMs - sinceMs);
      sinceMs = ports.now().monotonicMs;
    }
  } catch (error) {
    listing.return?.().catch(() => undefined);
    throw asHoldfastError(error, 'listing');
  }
  progress?.(number, records);
  return names;
}

function add(names: Map<string, Met>, record: LockRecord, atMs: number, process: ProcessSight): void {
  let met = names.get(record.name);
  if (met === undefined) {
    met = { held: [], waiting: [], processes: new Map(), atMs };
    names.set(record.name, met);
  }
  met.atMs = atMs;
  met.processes.set(holdKey(record), process);
  (record.state === 'held' ? met.held : met.waiting).push(record);
}

/** One look at a process a walk, however much it holds. */
function sights(self: NodeIdentity): (record: LockRecord) => ProcessSight {
  const seen = new Map<string, ProcessSight>();
  return (record) => {
    const { bootId, pid, startedAt } = record.node;
    const key = `${bootId} ${pid} ${startedAt} ${record.alive}`;
    const sight = seen.get(key) ?? sightOf(record, self);
    seen.set(key, sight);
    return sight;
  };
}

/** Until every hold was either renewed or should have been. */
function pauseAfter(names: ReadonlyMap<string, Met>, pauseMsMax: number): number {
  if (names.size === 0) return 0;
  let longestMs = pauseMsMin;
  for (const { held } of names.values()) {
    for (const record of held) {
      const untilOverdueMs = (record.expiresInMs ?? 0) - overdueAtMs(record.ttlMs) + 10;
      if (!isForeign(record)) longestMs = Math.max(longestMs, untilOverdueMs);
    }
  }
  return Math.min(longestMs, pauseMsMax);
}

function verdictsOn(
  post: Post,
  commands: Commands,
  { expectedHoldMs }: ScanOptions,
  name: string,
  before: Met | undefined,
  now: Met,
): readonly Verdict[] {
  const last = lookOf(commands, name, now);
  const looks: Facts['looks'] = before === undefined || before === now ? [last] : [lookOf(commands, name, before), last];
  const facts: Facts = { name, looks, wallMs: post.ports.now().wallMs, expectedHoldMs, sink: undefined, frozen: [], unseen: [] };
  return judge(facts, commands);
}

function lookOf(commands: Commands, name: string, { held, waiting, atMs, processes }: Met): Look {
  const foreign = held.filter(isForeign).map((record) => foreignOf(record, commands, name));
  return { atMs, held, waiting, examination: { foreign, pauses: [], rivals: [] }, processes, sinkMark: undefined };
}

function foreignOf({ key, expiresInMs }: LockRecord, commands: Commands, name: string): ForeignLock {
  const look = commands.doctor(name);
  return { key, library: undefined, shape: 'what another library wrote', expiresInMs, look, remove: look };
}
