import { describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import type { LockRecord } from '../../src/core/backend.js';
import type { Examination } from '../../src/core/examination.js';
import { readNodeIdentity } from '../../src/core/node.js';
import { type Facts, holdKey, type Look } from '../../src/doctor/facts.js';
import { Commands, judge, observe, postAt } from '../../src/doctor/index.js';
import type { ProcessSight } from '../../src/doctor/processes.js';
import { type Guard, type HeldLease, Holdfast } from '../../src/index.js';

/** What must not be concluded, and what only some stores can show: on facts that are made up. */

const self = readNodeIdentity();
const none: Examination = { foreign: [], pauses: [], rivals: [] };

function hold(change: Partial<LockRecord> = {}): LockRecord {
  return {
    name: 'a',
    key: 'a',
    state: 'held',
    mode: 'exclusive',
    ownerDigest: '0123456789ab',
    node: self,
    fence: 7n,
    ttlMs: 10_000,
    expiresInMs: 9_000,
    sinceMs: 5_000,
    metadata: {},
    ...change,
  };
}

interface Scene {
  readonly records?: readonly LockRecord[];
  readonly sight?: ProcessSight['state'];
  readonly examination?: Partial<Examination>;
}

function look(atMs: number, { records = [], sight = 'unseen', examination = {} }: Scene): Look {
  const process = sight === 'gone' || sight === 'rebooted' ? { state: sight, why: 'seen' } : { state: sight };
  return {
    atMs,
    held: records.filter(({ state }) => state === 'held'),
    waiting: records.filter(({ state }) => state === 'waiting'),
    examination: { ...none, ...examination },
    processes: new Map(records.map((record) => [holdKey(record), process])),
    sinkMark: undefined,
  };
}

function ids(first: Look, ...others: Look[]): readonly string[] {
  const facts: Facts = {
    name: 'a',
    looks: [first, ...others],
    wallMs: 0,
    expectedHoldMs: undefined,
    sink: undefined,
    frozen: [],
    unseen: [],
  };
  return judge(facts, new Commands('')).map(({ id }) => id);
}

describe('no conclusion from one look', () => {
  const soon = { expiresInMs: 3_000 };
  it.each(['gone', 'stopped', 'rebooted'] as const)('a process that is %s in the last look alone', (sight) => {
    const records = [hold()];
    expect(ids(look(0, { records, sight }))).toEqual(['healthy']);
    expect(ids(look(0, { records, sight: 'runs' }), look(300, { records, sight }))).toEqual(['healthy']);
  });

  it('one that was stopped, and goes on', () => {
    const records = [hold()];
    expect(ids(look(0, { records, sight: 'stopped' }), look(300, { records, sight: 'stopped' }))).toEqual(['holder-paused']);
    expect(ids(look(0, { records, sight: 'stopped' }), look(300, { records, sight: 'runs' }))).toEqual(['healthy']);
  });

  it('a machine of the same name that has another boot id, and renews', () => {
    const [then, now] = [hold({ expiresInMs: 7_000 }), hold({ expiresInMs: 9_900 })];
    expect(ids(look(0, { records: [then], sight: 'rebooted' }), look(300, { records: [now], sight: 'rebooted' }))).toEqual([
      'healthy',
    ]);
    const late = [hold(soon)];
    expect(ids(look(0, { records: late, sight: 'rebooted' }), look(300, { records: late, sight: 'rebooted' }))).toEqual([
      'holder-dead',
    ]);
  });

  it('a lease that is short of time, and was renewed since, or has another holder now', () => {
    const [late, renewed] = [[hold(soon)], [hold({ expiresInMs: 9_900 })]];
    expect(ids(look(0, { records: late }))).toEqual(['healthy']);
    expect(ids(look(0, { records: late }), look(300, { records: renewed }))).toEqual(['healthy']);
    const another = [hold({ ...soon, ownerDigest: 'ba9876543210', fence: 8n })];
    expect(ids(look(0, { records: late }), look(300, { records: another }))).toEqual(['healthy']);
    expect(ids(look(0, { records: late }), look(300, { records: [hold({ expiresInMs: 2_700 })] }))).toEqual(['holder-paused']);
  });

  it('a claim, a rival, a missing end', () => {
    const waiting = [hold({ state: 'waiting' })];
    const pauses = [{ because: 'claim', leftMs: 500, of: 'x' }] as const;
    expect(ids(look(0, { records: waiting, examination: { pauses } }))).toEqual(['free']);
    expect(ids(look(0, { examination: { pauses } }), look(300, { records: waiting, examination: { pauses } }))).toEqual([
      'waiting-out-a-pause',
    ]);
    const fresh = [{ because: 'claim', leftMs: 1_900, of: 'x' }] as const;
    expect(ids(look(0, { examination: { pauses: fresh } }), look(300, { examination: { pauses: fresh } }))).toEqual(['free']);
    const rivals = [{ where: 'n2', differs: 'node', name: 'a', key: 'a', ownerDigest: 'x', node: self }] as const;
    const records = [hold()];
    expect(ids(look(0, { records, examination: { rivals } }))).toEqual(['healthy']);
    expect(ids(look(0, { records, examination: { rivals } }), look(300, { records, examination: { rivals } }))).toEqual([
      'two-claimants',
    ]);
    const next = [hold({ ownerDigest: 'ba9876543210', fence: 8n })];
    expect(ids(look(0, { records, examination: { rivals } }), look(300, { records: next, examination: { rivals } }))).toEqual([
      'healthy',
    ]);
  });
});

describe('pauses of a store', () => {
  it.each(['restart-grace', 'lock-delay'] as const)('%s is told as long as nobody holds the name', (because) => {
    const examination = { pauses: [{ because, leftMs: 4_000, of: 'node 2' }] };
    expect(ids(look(0, { examination }))).toEqual(['waiting-out-a-pause']);
    expect(ids(look(0, { examination, records: [hold()] }))).toEqual(['healthy']);
  });
});

describe('in a session, whose time the store does not show', () => {
  const records: LockRecord[] = [hold()].map(({ expiresInMs: _expires, ...record }) => record);
  it('a holder is healthy as long as nothing else is seen of it', () => {
    expect(ids(look(0, { records }), look(300, { records }))).toEqual(['healthy']);
    expect(ids(look(0, { records, sight: 'stopped' }), look(300, { records, sight: 'stopped' }))).toEqual(['holder-paused']);
    expect(ids(look(0, { records, sight: 'gone' }), look(300, { records, sight: 'gone' }))).toEqual(['holder-dead']);
  });
});

it('a hand-over between the look at the sink and the one at the store is no stale fence', async () => {
  const backend = memory();
  const locks = new Holdfast(backend, { ttlMs: 2_000 });
  let lease: HeldLease = await locks.acquire('a');
  /** Whenever it is asked, the name has just been handed on, and the next holder has written. */
  const guard = {
    sink: 'test',
    async mark() {
      await lease.release();
      lease = await locks.acquire('a');
      return lease.fence;
    },
  } as unknown as Guard<unknown>;
  const verdicts = judge(await observe(postAt(backend), { name: 'a', sink: { guard } }), new Commands(''));
  expect(verdicts.map(({ id }) => id)).toEqual(['healthy']);
  await lease.release();
  await locks.close();
});

it('without the right to list records, the rest is told, and what was not looked at', async () => {
  const backend = memory();
  const records = backend.records?.();
  if (records === undefined) throw new Error('no records');
  const list = () => {
    throw new Error('AccessDenied');
  };
  Object.assign(backend, { records: () => ({ ...records, list, get: list }) });
  const locks = new Holdfast(backend);
  const lease = await locks.acquire('a');
  const [verdict] = judge(await observe(postAt(backend), { name: 'a', patienceMs: 0 }), new Commands(''));
  expect(verdict).toMatchObject({
    id: 'healthy',
    evidence: [/exclusive, fence/, /AccessDenied/].map((text) => expect.stringMatching(text)),
  });
  await expect(observe(postAt(backend), { name: 'a', request: { operation: 'pay' } })).rejects.toThrow('AccessDenied');
  await lease.release();
  await locks.close();
});
