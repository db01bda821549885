import assert from 'node:assert/strict';
import type { DynamoDB } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InvalidArgumentError, StaleFenceError } from '../../src/core/errors.js';
import { type DynamoDBGuard, type DynamoDBWrites, dynamodbGuard, updateFencedItem } from '../../src/guards/dynamodb/index.js';
import { seesExpiry } from '../../src/guards/expiry.js';
import { DynamoDBServer, dynaliteInMemory, dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';
import { thrownBy } from '../support/waits.js';
import { guardContract } from './contract.js';

const keyOf = (resource: string) => ({ id: { S: `i${Buffer.from(resource, 'utf16le').toString('hex')}` } });

async function makeThings(client: DynamoDB): Promise<void> {
  await client.createTable({
    TableName: 'things',
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    BillingMode: 'PAY_PER_REQUEST',
  });
}

describe.skipIf(dynamodbLocalIsMissing)('guard of DynamoDB, on DynamoDB Local', () => {
  let server: DynamoDBServer;
  let client: DynamoDB;
  let guard: DynamoDBGuard;
  beforeAll(async () => {
    server = await DynamoDBServer.start(dynamodbLocal);
    client = server.client();
    guard = dynamodbGuard(client, { commandTimeoutMs: 15_000 });
    await guard.setup();
    await guard.setup();
    await makeThings(client);
  });
  afterAll(() => server?.stop());
  const read = async (resource: string) =>
    (await client.getItem({ TableName: 'things', Key: keyOf(resource), ConsistentRead: true })).Item?.['value']?.S;

  guardContract<DynamoDBWrites>(() => ({
    guard,
    write: (writes, resource, value) => writes.put({ TableName: 'things', Item: { ...keyOf(resource), value: { S: value } } }),
    read,
  }));

  it('throws what the service says of a condition of the work’s own, and writes nothing', async () => {
    const work = guard.run({ resource: 'own', fence: 5n }, (writes) => {
      writes.put({ TableName: 'things', Item: { ...keyOf('own'), value: { S: 'x' } } });
      writes.check({ TableName: 'things', Key: keyOf('none'), ConditionExpression: 'attribute_exists(id)' });
    });
    expect(await thrownBy(work)).toMatchObject({ name: 'TransactionCanceledException' });
    expect(await read('own')).toBeUndefined();
    expect(await guard.mark('own')).toBeUndefined();
  });

  it('writes to several items and deletes in one step', async () => {
    await guard.run({ resource: 'several', fence: 5n }, (writes) => {
      writes.put({ TableName: 'things', Item: { ...keyOf('one'), value: { S: '1' } } });
      writes.put({ TableName: 'things', Item: { ...keyOf('two'), value: { S: '2' } } });
    });
    await guard.run({ resource: 'several', fence: 5n }, (writes) => {
      writes.delete({ TableName: 'things', Key: keyOf('one') });
      writes.update({
        TableName: 'things',
        Key: keyOf('two'),
        UpdateExpression: 'SET #v = :v',
        ExpressionAttributeNames: { '#v': 'value' },
        ExpressionAttributeValues: { ':v': { S: 'changed' } },
      });
    });
    expect([await read('one'), await read('two')]).toEqual([undefined, 'changed']);
  });

  it('refuses more writes than a transaction has room for', async () => {
    const work = guard.run({ resource: 'many', fence: 1n }, (writes) => {
      for (let i = 0; i < 100; i++) writes.delete({ TableName: 'things', Key: keyOf(String(i)) });
    });
    expect(await thrownBy(work)).toBeInstanceOf(InvalidArgumentError);
  });

  it('sees a TTL that would delete the mark', async () => {
    await guard.raise({ resource: 'ttl', fence: 1n });
    assert(seesExpiry(guard));
    expect(await guard.expiryOf('ttl')).toBeUndefined();
    await client.updateTimeToLive({
      TableName: 'holdfast_marks',
      TimeToLiveSpecification: { Enabled: true, AttributeName: 'expires' },
    });
    expect(await guard.expiryOf('ttl')).toBeUndefined();
    await client.updateItem({
      TableName: 'holdfast_marks',
      Key: { resource: { S: 'mark:ttl' } },
      UpdateExpression: 'SET expires = :e',
      ExpressionAttributeValues: { ':e': { N: '4102444800' } },
    });
    expect(await guard.expiryOf('ttl')).toContain('"expires"');
  });
});

describe('an item of DynamoDB with a mark of its own', () => {
  let server: DynamoDBServer;
  let client: DynamoDB;
  beforeAll(async () => {
    server = await DynamoDBServer.start(dynaliteInMemory);
    client = server.client();
    await makeThings(client);
  });
  afterAll(() => server.stop());
  const update = (name: string, fence: bigint, value: string, create = true) =>
    updateFencedItem(client, { table: 'things', key: keyOf(name), set: { value: { S: value } }, fence, create });

  it('tells a stale fence from an item that is missing', async () => {
    expect(await update('a', 5n, 'no', false)).toBe('missing');
    expect(await update('a', 5n, 'five')).toBe('updated');
    expect(await update('a', 5n, 'again', false)).toBe('updated');
    const error = await thrownBy(update('a', 4n, 'late', false));
    assert(error instanceof StaleFenceError, String(error));
    expect(error).toMatchObject({ fence: 4n, mark: 5n });
    const { Item } = await client.getItem({ TableName: 'things', Key: keyOf('a') });
    expect(Item?.['value']).toEqual({ S: 'again' });
  });

  it('never lowers the mark, whatever the order in which writes come', async () => {
    const fences = Array.from({ length: 40 }, (_, i) => 2n ** 62n + BigInt((i * 17) % 40));
    await Promise.all(
      fences.map((fence) =>
        update('b', fence, String(fence)).catch((error) => assert(error instanceof StaleFenceError, String(error))),
      ),
    );
    const { Item } = await client.getItem({ TableName: 'things', Key: keyOf('b'), ConsistentRead: true });
    expect(Item?.['value']).toEqual({ S: String(2n ** 62n + 39n) });
  });
});
