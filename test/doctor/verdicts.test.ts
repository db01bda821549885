import { describe, expect, it } from 'vitest';
import { Holdfast } from '../../src/index.js';
import { until } from '../support/waits.js';
import { type Clinic, kill } from './support/clinic.js';
import { onRedis, onSqlite } from './support/stores.js';
import { standStill } from '../support/stand-still.js';

/** Each verdict, in a situation that was really made. */

const ttlMs = 4_000;
let names = 0;
const fresh = () => `job-${++names}`;

onRedis(onAnyStore);
onSqlite(onAnyStore);

/** Those that every store can have. */
function onAnyStore(clinic: Clinic): void {
  it('free: nobody holds it', async () => {
    const [verdict, ...others] = await clinic.verdicts({ name: fresh() });
    expect(verdict).toMatchObject({ id: 'free', severity: 'info' });
    expect(others).toEqual([]);
  });

  it('healthy: the second look sees a renewal', async () => {
    const name = fresh();
    await clinic.holder(name, ttlMs);
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'healthy', summary: expect.stringContaining('renewing') });
    expect(others).toEqual([]);
  });

  it('holder-dead: its process was killed', async () => {
    const name = fresh();
    const holder = await clinic.holder(name, 20_000);
    const pid = String(holder.child.pid);
    await kill(holder);
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'holder-dead', evidence: [expect.stringContaining(pid), expect.any(String)] });
    expect(verdict.next[0]?.command).toMatch(new RegExp(`^holdfast revoke ${name} --if-fence \\d+ --reason`));
    expect(others).toEqual([]);
  });

  it('holder-paused: its process is stopped, long before a renewal is missed', async () => {
    const name = fresh();
    const holder = await clinic.holder(name, 20_000);
    standStill(holder.child.pid);
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'holder-paused', evidence: [expect.stringContaining('state T'), expect.any(String)] });
    expect(verdict.next[0]?.command).toBe(`kill -CONT ${holder.child.pid}`);
    expect(others).toEqual([]);
  });

  it('holder-paused: its event loop is blocked, and a renewal was missed', async () => {
    const name = fresh();
    const holder = await clinic.holder(name, 4_000);
    holder.say('block 10000');
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'holder-paused', evidence: [expect.stringContaining('no renewal'), expect.any(String)] });
    expect(verdict.next.map(({ command }) => command)).toEqual([
      expect.stringContaining(`ps -o pid,ppid,stat,etime,args -p ${holder.child.pid}`),
      expect.stringContaining('holdfast revoke'),
    ]);
    expect(others).toEqual([]);
  });

  it('held-longer-than-expected: by its own word, which everyone is shown', async () => {
    const name = fresh();
    const locks = new Holdfast(await clinic.open(), { ttlMs });
    try {
      await using lease = await locks.acquire(name, { expectedHoldMs: 50 });
      const mine = async () => (await clinic.verdicts({ name }))[0];
      await until(async () => (await mine()).id === 'held-longer-than-expected', 'it is held for long');
      lease.assertHeld();
    } finally {
      await locks.close();
    }
  });

  it('held-longer-than-expected: by the word of whoever asks', async () => {
    const name = fresh();
    await clinic.holder(name, ttlMs);
    expect(await clinic.ids({ name })).toEqual(['healthy']);
    expect(await clinic.ids({ name, expectedHoldMs: 10 })).toEqual(['held-longer-than-expected']);
    expect(await clinic.ids({ name, expectedHoldMs: 3_600_000 })).toEqual(['healthy']);
  });

  it('ttl-far-above-work: a crash would cost far more than the work', async () => {
    const name = fresh();
    await clinic.holder(name, 86_400_000);
    expect(await clinic.ids({ name, expectedHoldMs: 30_000 })).toEqual(['ttl-far-above-work']);
    expect(await clinic.ids({ name, expectedHoldMs: 36_000_000 })).toEqual(['healthy']);
  });

  it('two-claimants: a name that differs in case alone is held, too', async () => {
    const name = fresh();
    await clinic.holder(name, ttlMs);
    await clinic.holder(name.toUpperCase(), ttlMs);
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'two-claimants', next: [{ command: `holdfast inspect ${name.toUpperCase()}` }] });
    expect(others).toEqual([]);
  });
}

describe('whose process it is', () => {
  onRedis((clinic, server) => {
    it('a process of another machine that does not renew is paused, not dead', async () => {
      const name = fresh();
      const holder = await clinic.holder(name, 5_000);
      standStill(holder.child.pid);
      // As a process of another machine would have written it, with the same pid.
      const value = (await server().lines('GET', `holdfast:${name}`))[0] ?? '';
      await server().command(
        'SET',
        `holdfast:${name}`,
        value.replace(/"host":"[^"]*"/, '"host":"elsewhere"').replace(/"bootId":"[^"]*"/, '"bootId":"another"'),
        'KEEPTTL',
      );
      const [verdict] = await clinic.verdicts({ name });
      expect(verdict).toMatchObject({ id: 'holder-paused', next: [{ why: expect.stringContaining('on elsewhere') }] });
    });

    it('a machine of the same name that has started anew since: dead, once a renewal is missed', async () => {
      const name = fresh();
      const holder = await clinic.holder(name, 5_000);
      standStill(holder.child.pid);
      const value = (await server().lines('GET', `holdfast:${name}`))[0] ?? '';
      const boot = '00000000-0000-4000-8000-000000000000';
      await server().command('SET', `holdfast:${name}`, value.replace(/"bootId":"[^ "]*/, `"bootId":"${boot}`), 'KEEPTTL');
      const [verdict] = await clinic.verdicts({ name });
      expect(verdict).toMatchObject({
        id: 'holder-dead',
        evidence: [expect.stringContaining('started anew'), expect.any(String)],
      });
    });

    it('a pid that is another process now', async () => {
      const name = fresh();
      const holder = await clinic.holder(name, 20_000);
      standStill(holder.child.pid);
      const value = (await server().lines('GET', `holdfast:${name}`))[0] ?? '';
      await server().command('SET', `holdfast:${name}`, value.replace(/"startedAt":"\d+"/, '"startedAt":"77"'), 'KEEPTTL');
      const [verdict] = await clinic.verdicts({ name });
      expect(verdict).toMatchObject({
        id: 'holder-dead',
        evidence: [expect.stringContaining('another process now'), expect.any(String)],
      });
    });
  });
});
