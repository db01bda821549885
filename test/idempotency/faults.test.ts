import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OutcomeUnknownError } from '../../src/core/errors.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { freshKey, Scene } from './scene.js';
import { kinds } from './stores.js';

function neverCalled(): never {
  throw new Error('the handler must not be called');
}

/** Those behind a network; SQLite has no answers that could be lost. */
const { sqlite: _, ...remote } = kinds;

describe.each(Object.entries(remote))('%s over a bad network', (name, kind) => {
  describe.skipIf(kind.isMissing)('behind a proxy', () => {
    const scene = new Scene(kind);
    const { leaseTtlMs } = kind;
    let proxy: FaultProxy;
    let through: string;
    beforeAll(async () => {
      const port = /:(\d+)(?=\/|$)/.exec(scene.store.address)?.[1] ?? '';
      proxy = await FaultProxy.start(Number(port));
      through = scene.store.address.replace(`:${port}`, `:${proxy.port}`);
    });
    afterAll(() => proxy?.close());

    it.each(['lose-reply', 'swallow-replies'] as const)(
      'the answer to a claim is lost (%s): it is known again as its own',
      async (fault) => {
        const charges = await scene.charges({ leaseTtlMs: 8_000, callTimeoutMs: 1_500 }, through);
        await charges.run({ key: freshKey() }, () => 'warm');
        const key = freshKey();
        let executions = 0;
        const lost = proxy.once('PROCESSING', fault);
        const run = charges.run({ key }, () => {
          executions += 1;
          return 'done';
        });
        await lost;
        // After our own deadline: the store's client has not found out by itself.
        if (fault === 'swallow-replies') setTimeout(() => proxy.reset(), 2_000);
        expect(await run).toMatchObject({ outcome: 'executed', value: 'done', attempt: 1 });
        expect(executions).toBe(1);
        expect(await scene.recordOf(key)).toMatchObject({ state: 'COMPLETED', attempt: 1 });
      },
    );

    it('the answer to the completion is lost: it is known again, and told', async () => {
      const charges = await scene.charges({}, through);
      const key = freshKey();
      const lost = proxy.once('COMPLETED', 'lose-reply');
      const run = charges.run({ key }, (turn) => {
        turn.effect('charge');
        return 'done';
      });
      await lost;
      expect(await run).toMatchObject({ outcome: 'executed', value: 'done' });
      expect(await charges.run({ key }, neverCalled)).toMatchObject({ outcome: 'replayed', value: 'done' });
    });

    it('the completion cannot be written: no success is told, and nothing is executed again', async () => {
      const charges = await scene.charges({ leaseTtlMs }, through);
      await charges.run({ key: freshKey() }, () => 'warm');
      const key = freshKey();
      const run = charges.run({ key }, (turn) => {
        turn.effect('charge');
        proxy.silence();
        return 'done';
      });
      await expect(run).rejects.toBeInstanceOf(OutcomeUnknownError);
      const direct = await scene.charges({ leaseTtlMs });
      await expect.poll(async () => (await direct.run({ key }, neverCalled)).outcome, { timeout: 10_000 }).toBe('frozen');
      proxy.speak();
      expect(await direct.run({ key }, neverCalled)).toMatchObject({ outcome: 'frozen', because: 'lease-ended' });
    });

    it(`${name} is down: refused with its error, and nothing is executed`, async () => {
      const charges = await scene.charges({ callTimeoutMs: 300 }, through);
      proxy.silence();
      await expect(charges.run({ key: freshKey() }, neverCalled)).rejects.toMatchObject({
        code: expect.stringMatching(/^(OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/),
      });
      proxy.speak();
      proxy.reset();
    });
  });
});
