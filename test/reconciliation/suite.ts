import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { expectUntouched, type Stage } from './processes.js';

/**
 * What must hold on every store, with processes that are killed and stopped.
 *
 * @param noticing also with older reconcilers that notice that their term is over: that is the election's doing, and the same on all stores
 */
export function reconciliationCases(stage: Stage, noticing = false): void {
  it('a request whose process was killed is found although nobody froze it, and resolved', async () => {
    const key = await stage.orphan();
    expect((await stage.record(key))?.state).toBe('PROCESSING');
    const job = stage.reconciler(key, 'failed');
    await job.says({ event: 'resolved', verdict: 'failed', disputed: false });
    expect(await stage.record(key)).toMatchObject({ state: 'FAILED', resolution: { verdict: 'failed' } });
    // Whoever asks again is told the outcome, and nothing is executed.
    const again = stage.original(key);
    expect(await again.says({ at: 'end' })).toMatchObject({
      outcome: 'replayed',
      state: 'failed',
      value: { charged: [], said: 'failed' },
    });
    job.signal('SIGKILL');
  });

  it('retry lets the next request execute, under a fence above that of the reconciler', async () => {
    const key = await stage.orphan();
    const job = stage.reconciler(key, 'retry');
    await job.says({ event: 'resolved', verdict: 'retry' });
    const taken = await stage.record(key);
    const again = stage.original(key, 5_000);
    const { fence } = await again.says({ at: 'handler' });
    expect(BigInt(String(fence))).toBeGreaterThan(taken?.fence ?? 0n);
    again.say('go guarded');
    expect(await again.says({ at: 'end' })).toMatchObject({ outcome: 'executed', attempt: 2 });
    expect(await stage.charges(key)).toEqual([{ by: 'original' }]);
    job.signal('SIGKILL');
  });

  it('an original that was stopped past its lease can add nothing at the sink after the reconciler has looked', async () => {
    const key = stage.newKey();
    const original = stage.original(key);
    await original.says({ at: 'handler' });
    original.signal('SIGSTOP');
    const job = stage.reconciler(key, 'failed');
    await job.says({ event: 'resolved' });
    original.say('go guarded');
    original.signal('SIGCONT');
    expect(await original.says({ at: 'end' })).toMatchObject({ outcome: 'replayed', state: 'failed' });
    expect(await stage.charges(key)).toEqual([]);
    const record = await stage.record(key);
    // It threw, because the sink refused it: that contradicts nothing.
    expect(record).toMatchObject({ state: 'FAILED', disputed: false, evidence: [{ attempt: 1, outcome: 'threw' }] });
    job.signal('SIGKILL');
  });

  it('a late outcome that contradicts what was decided is kept, and the record is disputed', async () => {
    const key = stage.newKey();
    const original = stage.original(key);
    await original.says({ at: 'handler' });
    original.signal('SIGSTOP');
    const job = stage.reconciler(key, 'failed');
    await job.says({ event: 'resolved', disputed: false });
    original.say('go unguarded');
    original.signal('SIGCONT');
    expect(await original.says({ at: 'end' })).toMatchObject({ outcome: 'replayed', state: 'failed' });
    const record = await stage.record(key);
    expect(record).toMatchObject({ state: 'FAILED', disputed: true, evidence: [{ outcome: 'completed', attempt: 1 }] });
    job.signal('SIGKILL');
  });

  it('evidence that comes while it is decided is looked at before anything is written, and disputes what contradicts it', async () => {
    const key = stage.newKey();
    const original = stage.original(key);
    await original.says({ at: 'handler' });
    original.signal('SIGSTOP');
    const job = stage.reconciler(key, 'failed', 'resolve');
    await job.says({ at: 'resolve' });
    original.say('go unguarded');
    original.signal('SIGCONT');
    expect(await original.says({ at: 'end' })).toMatchObject({ outcome: 'frozen' });
    job.say('go');
    await job.says({ event: 'resolved', verdict: 'failed', disputed: true });
    expect(job.said.filter(({ at }) => at === 'resolve').map(({ late }) => late)).toEqual([[], ['completed']]);
    expect(await stage.record(key)).toMatchObject({ state: 'FAILED', disputed: true });
    job.signal('SIGKILL');
  });

  const kinds = [
    ['blind', 'and does not notice: the store refuses it'] as const,
    ...(noticing ? [['seeing', 'and notices'] as const] : []),
  ];
  for (const [blind, what] of kinds) {
    for (const at of ['raise', 'resolve'] as const) {
      it(`of two reconcilers the older, stopped at "${at}", can change nothing after the newer has begun, ${what}`, async () => {
        const key = await stage.orphan();
        const older = stage.reconciler(key, 'completed', at, blind);
        await older.says({ at });
        older.signal('SIGSTOP');
        const newer = stage.reconciler(key, 'unknown');
        await newer.says({ event: 'unknown' }, 20_000);
        const begun = await stage.record(key);
        const [{ term: olderTerm }, { term }] = [await older.says({ at: 'leading' }), await newer.says({ at: 'leading' })];
        expect(BigInt(String(term))).toBeGreaterThan(BigInt(String(olderTerm)));
        expect(begun).toMatchObject({ state: 'FROZEN', resolution: { term: BigInt(String(term)) } });
        expect(begun?.resolution?.verdict).toBeUndefined();
        newer.signal('SIGKILL');
        await newer.worker.exited;
        older.say('go');
        older.signal('SIGCONT');
        if (blind === 'blind') await older.says({ event: 'overtaken' });
        else await older.says({ state: 'stepping-down', because: 'lost' });
        await sleep(200);
        if (blind === 'blind') await expectUntouched(stage, key, begun);
        // Elected again, under a term above the newer's, it may.
        else if (at === 'resolve')
          expect((await stage.becomes(key, 'COMPLETED')).resolution?.term).toBeGreaterThan(BigInt(String(term)));
        older.signal('SIGKILL');
      });
    }
  }
}
