import { describe, expect, it } from 'vitest';
import { dynaliteInMemory, dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';
import { thrownBy, until } from '../support/waits.js';
import { ask, granted, heldOf, recordsOf, refused, Scene } from './support.js';

const kinds = dynamodbLocalIsMissing ? [dynaliteInMemory] : [dynaliteInMemory, dynamodbLocal];

describe.each(kinds)('what stands in the table ($name)', (kind) => {
  const scene = new Scene(kind);

  it('is one item a name; the owner is not in it, and the TTL attribute only while it is free', async () => {
    const store = scene.store();
    const one = ask('layout', { fences: 5, metadata: { job: 'nightly' } });
    const { fences } = await granted(store, one);
    const held = await scene.item('layout');
    expect(Object.keys(held ?? {}).sort()).toEqual([
      'fence',
      'fence_first',
      'lease_status',
      'metadata',
      'name',
      'node',
      'owner',
      'renewals',
      'renewed_ms',
      'since_ms',
      'ttl_ms',
      'version',
    ]);
    expect(held).toMatchObject({ lease_status: { S: 'held' }, fence: { N: String(fences.last) }, ttl_ms: { N: '10000' } });
    expect(JSON.stringify(held)).not.toContain(one.owner);
    await store.renew([heldOf(one)]);
    expect(await scene.item('layout')).toMatchObject({ version: { N: '2' }, renewals: { N: '1' } });
    await store.release(heldOf(one));
    const free = await scene.item('layout');
    expect(Object.keys(free ?? {}).sort()).toEqual(['expires_at', 'fence', 'last_owner', 'lease_status', 'name', 'version']);
    const days = (Number(free?.['expires_at']?.N) - Date.now() / 1_000) / 86_400;
    expect(days).toBeCloseTo(30, 1);
    await granted(store, one);
    expect(await scene.item('layout')).not.toHaveProperty('expires_at');
    await store.abandon(one);
    await store.abandon(ask('layout'));
    expect(await scene.item('layout')).toMatchObject({ lease_status: { S: 'free' }, expires_at: {} });
  });

  it('never gets a TTL attribute from somebody who gives up while another holds it', async () => {
    const store = scene.store();
    const [one, two] = [ask('patience'), ask('patience')];
    await granted(store, one);
    const { version } = (await scene.item('patience')) ?? {};
    await store.abandon(two);
    const item = await scene.item('patience');
    expect(item).not.toHaveProperty('expires_at');
    expect(item?.['version'], 'that is no sign of life').toEqual(version);
    expect(await refused(store, two)).toMatchObject({ because: 'abandoned' });
    await store.release(heldOf(one));
  });

  it('remembers at most 32 owners that must not come back', async () => {
    const store = scene.store();
    const all = Array.from({ length: 40 }, () => ask('quitters'));
    for (const one of all) await store.abandon(one);
    const item = (await scene.item('quitters')) ?? {};
    expect(Object.keys(item).filter((name) => name.startsWith('ended_'))).toHaveLength(32);
    for (const one of all.slice(-5)) expect(await refused(store, one)).toMatchObject({ because: 'abandoned' });
    await granted(store, ask('quitters'));
  });

  it('gets rid of many more, which a crowd can leave that gives up at one moment', async () => {
    const store = scene.store();
    const one = ask('crowd');
    await granted(store, one);
    const value = { S: JSON.stringify({ kind: 'abandoned', reason: '', call: '', atMs: Date.now() }) };
    const left = Array.from({ length: 300 }, (_, i) => `ended_${String(i).padStart(12, '0')}`);
    for (let i = 0; i < left.length; i += 100) {
      const some = left.slice(i, i + 100);
      await scene.client.updateItem({
        TableName: 'holdfast',
        Key: { name: { S: 'holdfast:crowd' } },
        UpdateExpression: `SET ${some.map((name) => `${name} = :v`).join(', ')}`,
        ExpressionAttributeValues: { ':v': value },
      });
    }
    for (let i = 0; i < 6; i++) await store.abandon(ask('crowd'));
    const { ended } = await store.revoke(one.name, { kind: 'revoked', reason: 'a test', node: one.node });
    expect(ended).toHaveLength(1);
    const item = (await scene.item('crowd')) ?? {};
    expect(Object.keys(item).filter((name) => name.startsWith('ended_'))).toHaveLength(32);
  });

  it('forgets them after a minute, when somebody else gives up', async () => {
    const store = scene.store();
    await store.abandon(ask('minute'));
    const [name = ''] = Object.keys((await scene.item('minute')) ?? {}).filter((key) => key.startsWith('ended_'));
    await scene.set('minute', name, {
      S: JSON.stringify({ kind: 'abandoned', reason: '', call: '', atMs: Date.now() - 61_000 }),
    });
    await store.abandon(ask('minute'));
    expect(await scene.item('minute')).not.toHaveProperty(name);
  });

  it('holds the longest name with the most metadata', async () => {
    const store = scene.store();
    const one = ask('漢'.repeat(170), { metadata: { text: 'x'.repeat(1_000) } });
    await granted(store, one);
    expect(await recordsOf(store, '漢')).toMatchObject([{ name: one.name.text }]);
    await store.release(heldOf(one));
  });

  it('can be deleted by hand or by a sweep: the holder is told "forgotten", and the next fence is higher', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('deleted');
    const { fence } = lease;
    await scene.delete('deleted');
    await until(() => lease.signal.aborted, 'the loss is signalled', 5_000);
    expect(lease.signal.reason).toMatchObject({ code: 'LEASE_LOST', loss: 'forgotten' });
    await locks.request('deleted', (next) => expect(next.fence).toBeGreaterThan(fence));
  });

  it('can be damaged: then it is named, and the other names go on', async () => {
    const store = scene.store();
    const names = [
      ['owner', { S: 'me' }],
      ['fence', { N: '-1' }],
      ['ttl_ms', { S: '1' }],
      ['node', { S: '{' }],
      ['metadata', { S: '3' }],
      ['lease_status', { S: 'other' }],
      ['ended_0123456789ab', { S: '' }],
    ] as const;
    for (const [attribute, value] of names) {
      await granted(store, ask(attribute));
      await scene.set(attribute, attribute, value);
      const error = await thrownBy(store.acquire(ask(attribute)));
      expect(error).toMatchObject({ code: 'BACKEND_CORRUPT', message: expect.stringContaining(`"holdfast:${attribute}"`) });
      const listed = await recordsOf(store, attribute);
      if (attribute !== 'lease_status') expect(listed).toMatchObject([{ name: attribute, metadata: { damaged: true } }]);
      expect(await store.read(ask(attribute).name)).toEqual(listed);
      await scene.delete(attribute);
    }
    await granted(store, ask('ttl_ms'));
  });
});

describe('a table that is deleted', () => {
  const scene = new Scene();

  it('ends what is held in it, and says how to make another one', async () => {
    const locks = scene.holder({ ttlMs: 6_000 });
    const lease = await locks.acquire('a');
    await scene.server.dropTable();
    await until(() => lease.signal.aborted, 'the loss is signalled', 5_000);
    expect(lease.signal.reason).toMatchObject({ loss: 'forgotten' });
    const error = await thrownBy(locks.acquire('a'));
    expect(error).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: true,
      message: expect.stringMatching(/no table "holdfast".*create: true, or run aws dynamodb create-table --table-name holdfast/),
    });
    await scene.server.makeTable();
    await (await locks.acquire('a')).release();
  });

  it('is made again by those who may: several at once make one', async () => {
    await scene.server.dropTable();
    const holders = Array.from({ length: 3 }, () => scene.holder({ dynamodb: { create: true } }));
    const turns = await Promise.all(holders.map((locks) => locks.request('b', (lease) => scene.work(lease))));
    expect(turns).toEqual([true, true, true]);
  });

  it('with a key of another kind is refused, with the way out', async () => {
    await scene.client.createTable({
      TableName: 'foreign',
      AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    const store = scene.store({ dynamodb: { table: 'foreign' } });
    await until(async () => {
      const error = await thrownBy(store.acquire(ask('a')));
      return (error as { code?: string }).code === 'NOT_SUPPORTED' && /"name" as its only key/.test((error as Error).message);
    }, 'it is refused');
  });
});
