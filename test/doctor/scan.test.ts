import { expect, it } from 'vitest';
import { Commands, postAt, type Scan, scan } from '../../src/doctor/index.js';
import { similarNames } from '../../src/doctor/similar.js';
import { Holdfast } from '../../src/index.js';
import { type Clinic, kill } from './support/clinic.js';
import { onRedis, onSqlite } from './support/stores.js';
import { standStill } from '../support/stand-still.js';

/** The whole store, looked at twice. */

async function scanned(clinic: Clinic, prefix: string): Promise<Scan & { readonly steps: readonly string[] }> {
  const backend = await clinic.open();
  const post = postAt(backend);
  const steps: string[] = [];
  const progress = (walk: number, records: number) => void steps.push(`${walk}: ${records}`);
  try {
    return { ...(await scan(post, new Commands(''), { prefix, expectedHoldMs: undefined, patienceMs: 500, progress })), steps };
  } finally {
    post.calls.close();
    await backend.close();
  }
}

onRedis((clinic, server) => {
  onAnyStore(clinic);

  it('a lock of another library, and one that never ends', async () => {
    await server().command('SET', 'holdfast:old:a', 'x', 'PX', '30000');
    await server().command('SET', 'holdfast:old:b', 'x');
    const { found } = await scanned(clinic, 'old:');
    expect(found.map(({ name, verdicts }) => [name, verdicts[0]?.id]).sort()).toEqual([
      ['old:a', 'foreign-lock'],
      ['old:b', 'no-ttl'],
    ]);
  });
});
onSqlite(onAnyStore);

function onAnyStore(clinic: Clinic): void {
  it('three hundred healthy names, a dead holder and a frozen one: the two are found', async () => {
    const [dead, frozen] = await Promise.all(['scan:dead', 'scan:frozen'].map((name) => clinic.holder(name, 60_000)));
    const locks = new Holdfast(await clinic.open(), { ttlMs: 20_000 });
    const names = Array.from({ length: 300 }, (_, i) => `scan:${i}`);
    const leases = await Promise.all(names.map((name) => locks.acquire(name)));
    if (dead !== undefined) await kill(dead);
    standStill(frozen?.child.pid);
    const { found, counts, holds, steps, similar } = await scanned(clinic, 'scan:');
    expect(found.map(({ name, verdicts }) => [name, verdicts[0]?.id]).sort()).toEqual([
      ['scan:dead', 'holder-dead'],
      ['scan:frozen', 'holder-paused'],
    ]);
    expect([holds, counts.get('healthy')]).toEqual([302, 300]);
    expect(steps).toEqual(expect.arrayContaining(['1: 200', '1: 302', '2: 302']));
    expect(similar).toEqual([]);
    await Promise.all(leases.map((lease) => lease.release()));
    await locks.close();
  });

  it('names that differ in case or in what stands in front', async () => {
    const locks = new Holdfast(await clinic.open(), { ttlMs: 20_000 });
    const names = ['pay:Order:7', 'pay:order:7', 'pay:app2:pay:order:7', 'pay:17', 'pay:order:17'];
    const leases = await Promise.all(names.map((name) => locks.acquire(name)));
    const { similar } = await scanned(clinic, 'pay:');
    expect(similar).toEqual([
      { differs: 'case', names: ['pay:Order:7', 'pay:order:7'] },
      { differs: 'prefix', names: ['pay:order:7', 'pay:app2:pay:order:7'] },
    ]);
    await Promise.all(leases.map((lease) => lease.release()));
    await locks.close();
  });
}

it('numbers that unrelated names end with are no such names', () => {
  expect(similarNames(new Set(['7', 'user:7', 'order:7', 'a:b', 'b']))).toEqual([]);
});
