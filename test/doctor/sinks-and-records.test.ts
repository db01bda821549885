import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { Backend } from '../../src/core/backend.js';
import { redisGuard } from '../../src/guards/redis/index.js';
import { idempotent } from '../../src/idempotency/index.js';
import { recordKeyOf } from '../../src/idempotency/signature.js';
import { Holdfast } from '../../src/index.js';
import type { Clinic } from './support/clinic.js';
import { onRedis, onSqlite } from './support/stores.js';

/** What is not in the lock: marks of sinks, and records that froze. */

onRedis((clinic, server) => {
  frozenRecords(clinic);

  it('fence-behind-sink: the sink has seen a higher fence', async () => {
    const client = new Redis(server().port);
    const guard = redisGuard(client);
    const locks = new Holdfast(await clinic.open(), { ttlMs: 5_000 });
    try {
      await using lease = await locks.acquire('guarded');
      await guard.raise({ resource: 'guarded', fence: lease.fence });
      expect(await clinic.ids({ name: 'guarded', sink: { guard } })).toEqual(['healthy']);
      await guard.raise({ resource: 'guarded', fence: lease.fence + 1n });
      const [verdict, ...others] = await clinic.verdicts({ name: 'guarded', sink: { guard } });
      expect(verdict).toMatchObject({
        id: 'fence-behind-sink',
        next: [{ command: expect.stringContaining(`--if-fence ${lease.fence}`) }],
      });
      expect(others).toEqual([]);
      // A mark that lies in the future is not reached by the next fence.
      await guard.raise({ resource: 'elsewhere', fence: lease.fence + 3_600_000_000n });
      const [future] = await clinic.verdicts({ name: 'guarded', sink: { guard, resource: 'elsewhere' } });
      expect(future).toMatchObject({ id: 'fence-behind-sink', next: [{ command: 'holdfast doctor' }] });
    } finally {
      await locks.close();
      client.disconnect();
    }
  });
});

onSqlite(frozenRecords);

/** What stands beside the locks, through the same client. */
function recordsOf(backend: Backend) {
  const records = backend.records?.();
  if (records === undefined) throw new Error('the store has records');
  return records;
}

function frozenRecords(clinic: Clinic): void {
  it('frozen-record: by its key, by the operation, and by where it lies', async () => {
    const backend = await clinic.open();
    const charges = idempotent(recordsOf(backend), { operation: 'charge' });
    const outcome = await charges.run({ key: 'order-7', parts: [] }, ({ effect }) => {
      effect('card');
      throw new Error('the provider hung up');
    });
    expect(outcome.outcome).toBe('frozen');
    await charges.run({ key: 'order-8', parts: [] }, () => 'done');
    const recordKey = recordKeyOf({ namespace: 'default', tenant: undefined, operation: 'charge', key: 'order-7' });
    for (const question of [{ name: 'order-7' }, { name: recordKey }, { name: 'order-7', request: { operation: 'charge' } }]) {
      const [verdict, ...others] = await clinic.verdicts(question);
      expect(verdict).toMatchObject({
        id: 'frozen-record',
        evidence: [expect.stringContaining('hung up'), expect.stringContaining('card'), `record ${recordKey}`],
      });
      expect(verdict.next[0]?.command).toBe('holdfast reconcile --once MODULE');
      expect(others).toEqual([]);
    }
    expect(await clinic.ids({ name: 'order-7', request: { operation: 'refund' } })).toEqual(['free']);
    expect(await clinic.ids({ name: 'order-8' })).toEqual(['free']);
    await charges.close();
    await backend.close();
  });

  it('frozen-record: the lease of a running request has ended, and nobody has met it since', async () => {
    const backend = await clinic.open();
    const records = recordsOf(backend);
    const charges = idempotent(records, { operation: 'charge', leaseTtlMs: 3_000, ttlMs: 60_000 });
    let written = '';
    await charges.run({ key: 'order-9', parts: [] }, async () => {
      expect(await clinic.ids({ name: 'order-9' })).toEqual(['free']);
      for await (const { value } of records.list?.('idempotency/') ?? []) if (value.includes('order-9')) written = value;
      return 'done';
    });
    // As a process leaves it that dies while it runs.
    await records.create('idempotency/left', written.replace('order-9', 'order-10'), undefined);
    await expect.poll(() => clinic.ids({ name: 'order-10' }), { timeout: 15_000 }).toEqual(['frozen-record']);
    await charges.close();
    await backend.close();
  });
}
