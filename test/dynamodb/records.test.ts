import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { dynamodbRecords } from '../../src/backends/dynamodb/index.js';
import { thrownBy } from '../support/waits.js';
import { recordsOf, Scene } from './support.js';

describe('records', () => {
  const scene = new Scene();

  it('a write that is done, not answered, and sent again is no conflict with itself', async () => {
    const front = await scene.front();
    const records = dynamodbRecords(scene.server.client(front.port));
    for (const fault of ['lose-reply', 'fail-after'] as const) {
      void front.next('UpdateItem', fault);
      const { written, record } = await records.create(fault, 'one', 60_000);
      expect({ written, value: record?.value }).toEqual({ written: true, value: 'one' });
      void front.next('UpdateItem', fault);
      expect(await records.compareAndSet(fault, record?.version ?? '', 'two', undefined)).toMatchObject({ written: true });
    }
    await records.close();
    expect(await thrownBy(records.get('a'))).toMatchObject({ code: 'CLOSED' });
  });

  it('are no leases, and are swept a day after their time', async () => {
    const records = dynamodbRecords(scene.client);
    await records.create('a', 'x', 60_000);
    expect(await recordsOf(scene.store(), '')).toEqual([]);
    const item = await scene.item('%record:a');
    expect(Number(item?.['expires_at']?.N) * 1_000).toBeGreaterThan(Number(item?.['ends_ms']?.N) + 86_000_000);
  });

  it('live as long as they should after an answer that took long', async () => {
    const front = await scene.front();
    const records = dynamodbRecords(scene.server.client(front.port), { commandTimeoutMs: 10_000 });
    await records.get('slow');
    void front.next('GetItem', { reply: sleep(3_500) });
    await records.get('slow');
    const beforeMs = Date.now();
    const { record } = await records.create('slow', 'x', 60_000);
    expect(record?.expiresAtMs).toBeGreaterThanOrEqual(beforeMs + 60_000);
    await records.close();
  });

  it('too large or badly timed are refused, and damage is named', async () => {
    const records = dynamodbRecords(scene.client);
    expect(await thrownBy(records.create('large', 'x'.repeat(420_000), undefined))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await thrownBy(records.create('a', 'x', -1))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    await scene.set('%record:bad', 'version', { S: 'x' });
    expect(await thrownBy(records.get('bad'))).toMatchObject({ code: 'BACKEND_CORRUPT' });
  });
});
