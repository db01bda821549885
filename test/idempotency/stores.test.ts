import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { FinalFailure, type Idempotent, type RunOutcome } from '../../src/idempotency/index.js';
import { faketimeLibrary } from '../support/faketime.js';
import { Processes, type Worker } from '../support/processes.js';
import { freshKey, gate, Scene } from './scene.js';
import { kinds } from './stores.js';
import { standStill } from '../support/stand-still.js';

const processes = new Processes(
  ['core', 'idempotency', ...Object.keys(kinds).map((name) => `backends/${name}`)],
  new URL('worker.mjs', import.meta.url),
  [new URL('open.mjs', import.meta.url)],
);

/** The environment of a process whose clock is wrong. */
const stepped = (step: string) => ({ LD_PRELOAD: faketimeLibrary ?? '', FAKETIME: step });

/** Sent again until it is told something else than that it runs. */
async function settledOutcome(charges: Idempotent, key: string, handler: () => unknown): Promise<RunOutcome<unknown>> {
  for (;;) {
    const outcome = await charges.run({ key, parts: ['100 EUR'] }, handler);
    if (outcome.outcome !== 'running') return outcome;
    await sleep(50);
  }
}

/** For many requests at once on a busy machine. */
const patient = { leaseTtlMs: 60_000, callTimeoutMs: 20_000 };

function neverCalled(): never {
  throw new Error('the handler must not be called');
}

describe.each(Object.entries(kinds))('%s', (_, kind) => {
  describe.skipIf(kind.isMissing)('keeps the promise', () => {
    const scene = new Scene(kind);
    const { leaseTtlMs } = kind;

    const start = (key: string, env: Readonly<Record<string, string>> = {}, ttlMs = leaseTtlMs): Worker =>
      processes.start([scene.store.name, scene.store.address, key, String(ttlMs)], [], { env });

    it('64 duplicates at once are one execution, and all others replay it', async () => {
      const clients = await Promise.all(Array.from({ length: 4 }, () => scene.charges(patient)));
      const key = freshKey();
      let executions = 0;
      const outcomes = await Promise.all(
        Array.from({ length: 64 }, (_, index) =>
          (clients[index % 4] as Idempotent).run({ key, parts: ['x'], waitMs: 20_000 }, async (turn) => {
            executions += 1;
            turn.effect('charge');
            await sleep(50);
            return { charge: 'ch_1', amount: 100 };
          }),
        ),
      );
      expect(executions).toBe(1);
      expect(outcomes.filter(({ outcome }) => outcome === 'executed')).toHaveLength(1);
      expect(outcomes.filter(({ outcome }) => outcome === 'replayed')).toHaveLength(63);
      for (const outcome of outcomes)
        expect(outcome).toMatchObject({ state: 'completed', value: { charge: 'ch_1', amount: 100 }, attempt: 1 });
      const counted = clients.map((client) => client.counters());
      expect(counted.reduce((sum, { admissions }) => sum + admissions, 0)).toBe(64);
      expect(counted.reduce((sum, { replays }) => sum + replays, 0)).toBe(63);
    });

    it('while it runs: told so, and a request that says something else is a mismatch', async () => {
      const [one, other] = [await scene.charges(), await scene.charges()];
      const key = freshKey();
      const [begun, end] = [gate(), gate()];
      const first = one.run({ key, parts: ['100 EUR'] }, async () => {
        begun.open();
        await end.opened;
        return 'done';
      });
      await begun.opened;
      const running = await other.run({ key, parts: ['100 EUR'] }, neverCalled);
      expect(running).toMatchObject({ outcome: 'running' });
      expect((running as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
      expect(await other.run({ key, parts: ['200 EUR'] }, neverCalled)).toMatchObject({ outcome: 'mismatch' });
      end.open();
      await first;
      expect(await other.run({ key, parts: ['200 EUR'] }, neverCalled)).toMatchObject({ outcome: 'mismatch' });
      expect(await other.run({ key, parts: ['100 EUR'] }, neverCalled)).toMatchObject({ outcome: 'replayed', value: 'done' });
    });

    it('a failure that stands is replayed; an error before any effect allows another try, with a higher fence', async () => {
      const charges = await scene.charges();
      const [declined, broken] = [freshKey(), freshKey()];
      const fail = () => {
        throw new FinalFailure({ code: 'card_declined' });
      };
      expect(await charges.run({ key: declined }, fail)).toMatchObject({
        outcome: 'executed',
        state: 'failed',
        value: { code: 'card_declined' },
      });
      expect(await charges.run({ key: declined }, neverCalled)).toMatchObject({
        outcome: 'replayed',
        state: 'failed',
        value: { code: 'card_declined' },
      });

      const fences: bigint[] = [];
      const error = new Error('no connection');
      const first = charges.run({ key: broken }, (turn) => {
        fences.push(turn.fence);
        throw error;
      });
      await expect(first).rejects.toBe(error);
      expect(await scene.recordOf(broken)).toMatchObject({ state: 'PENDING', attempt: 1 });
      const second = await charges.run({ key: broken }, (turn) => {
        fences.push(turn.fence);
        return turn.attempt;
      });
      expect(second).toMatchObject({ outcome: 'executed', value: 2 });
      expect((fences[1] ?? 0n) > (fences[0] ?? 0n)).toBe(true);
    });

    it('an error after an effect freezes, and nothing thaws it by being sent again', async () => {
      const charges = await scene.charges();
      const key = freshKey();
      const error = new Error('timed out');
      const outcome = await charges.run({ key }, (turn) => {
        turn.effect('charge');
        throw error;
      });
      expect(outcome).toMatchObject({ outcome: 'frozen', because: 'error-after-effect', error });
      for (let tries = 0; tries < 3; tries++)
        expect(await charges.run({ key }, neverCalled)).toMatchObject({ outcome: 'frozen' });
      expect(await scene.recordOf(key)).toMatchObject({ state: 'FROZEN', effects: ['charge'], frozen: { error: 'timed out' } });
    });

    it('tenants, operations and namespaces have keys of their own', async () => {
      const records = await scene.records();
      const key = freshKey();
      const operations = [{}, { operation: 'refund' }, { namespace: 'other' }].map((options) => scene.over(records, options));
      const executed: string[] = [];
      for (const [index, operation] of operations.entries()) {
        for (const tenant of [undefined, 'a', 'b']) {
          const name = `${index} ${tenant}`;
          const request = { key, ...(tenant === undefined ? {} : { tenant }) };
          expect(await operation.run(request, () => name)).toMatchObject({ outcome: 'executed' });
          executed.push(name);
          expect(await operation.run(request, neverCalled)).toMatchObject({ outcome: 'replayed', value: name });
        }
      }
      expect(new Set(executed).size).toBe(9);
    });

    it('killed after its effect: frozen, and however often it is sent again, executed no more', async () => {
      const key = freshKey();
      const worker = start(key);
      expect(await worker.next()).toMatchObject({ event: 'handler' });
      worker.say('effect');
      expect(await worker.next()).toMatchObject({ event: 'effect' });
      worker.child.kill('SIGKILL');
      await worker.exited;
      const charges = await scene.charges({ leaseTtlMs });
      expect(await settledOutcome(charges, key, neverCalled)).toMatchObject({ outcome: 'frozen', because: 'lease-ended' });
      const others = await Promise.all(Array.from({ length: 10 }, () => charges.run({ key, parts: ['100 EUR'] }, neverCalled)));
      for (const outcome of others) expect(outcome).toMatchObject({ outcome: 'frozen' });
      expect(await scene.recordOf(key)).toMatchObject({ state: 'FROZEN', attempt: 1 });
    });

    it('stopped beyond its lease, whatever it says then: nothing is written over, and what it says is kept', async () => {
      const stopped = async (word: string, late: string) => {
        const key = freshKey();
        const worker = start(key);
        expect(await worker.next()).toMatchObject({ event: 'handler' });
        worker.say('effect');
        await worker.next();
        standStill(worker.child.pid);
        const charges = await scene.charges({ leaseTtlMs });
        expect(await settledOutcome(charges, key, neverCalled)).toMatchObject({ outcome: 'frozen' });
        worker.child.kill('SIGCONT');
        worker.say(word);
        expect(await worker.next()).toMatchObject({ event: 'outcome', outcome: 'frozen', because: 'lease-ended' });
        const evidence = [{ outcome: late, effects: ['charge'] }];
        expect(await scene.recordOf(key)).toMatchObject({ state: 'FROZEN', evidence, disputed: false });
        expect(await charges.run({ key, parts: ['100 EUR'] }, neverCalled)).toMatchObject({ outcome: 'frozen' });
      };
      const seenByNobody = async () => {
        const key = freshKey();
        const worker = start(key);
        expect(await worker.next()).toMatchObject({ event: 'handler' });
        standStill(worker.child.pid);
        await sleep(2 * leaseTtlMs);
        worker.child.kill('SIGCONT');
        worker.say('complete');
        expect(await worker.next()).toMatchObject({ event: 'outcome', outcome: 'frozen' });
        expect(await scene.recordOf(key)).toMatchObject({ state: 'FROZEN', evidence: [{ outcome: 'completed' }] });
      };
      await Promise.all([stopped('complete', 'completed'), stopped('fail', 'failed'), stopped('throw', 'threw'), seenByNobody()]);
    });

    it('a lease is renewed for as long as the handler runs', async () => {
      // A machine that stands still for a second must not end it.
      const lasting = { leaseTtlMs: Math.max(leaseTtlMs, 2_500) };
      const [one, other] = [await scene.charges(lasting), await scene.charges(lasting)];
      const key = freshKey();
      const [begun, end] = [gate(), gate()];
      const first = one.run({ key }, async () => {
        begun.open();
        await end.opened;
        return 'done';
      });
      await begun.opened;
      for (const endMs = performance.now() + 1.6 * lasting.leaseTtlMs; performance.now() < endMs; await sleep(100)) {
        expect(await other.run({ key }, neverCalled)).toMatchObject({ outcome: 'running' });
      }
      end.open();
      expect(await first).toMatchObject({ outcome: 'executed', value: 'done' });
      expect((await scene.recordOf(key))?.renewals).toBeGreaterThan(2);
    });

    it.skipIf(faketimeLibrary === undefined)('a clock that is ten minutes wrong, either way, changes nothing', async () => {
      const completes = async (step: string) => {
        const key = freshKey();
        const worker = start(key, stepped(step), patient.leaseTtlMs);
        expect(await worker.next()).toMatchObject({ event: 'handler' });
        const charges = await scene.charges({ leaseTtlMs });
        // A running one is not frozen before its time.
        expect(await charges.run({ key, parts: ['100 EUR'] }, neverCalled)).toMatchObject({ outcome: 'running' });
        worker.say('complete');
        const told = await worker.next();
        expect(told).toMatchObject({ event: 'outcome', outcome: 'executed' });
        const replay = await charges.run({ key, parts: ['100 EUR'] }, neverCalled);
        expect(replay).toMatchObject({ outcome: 'replayed', value: told['value'] });
      };
      const dies = async (step: string) => {
        const key = freshKey();
        const worker = start(key, stepped(step));
        const { pid } = await worker.next();
        process.kill(Number(pid), 'SIGKILL');
        const charges = await scene.charges({ leaseTtlMs });
        // Nor kept for longer: ten minutes would be longer than this test may take.
        expect(await settledOutcome(charges, key, neverCalled)).toMatchObject({ outcome: 'frozen' });
      };
      await Promise.all(['-10m', '+10m'].flatMap((step) => [completes(step), dies(step)]));
    });
  });
});
