import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { dynamodb } from 'holdfast/dynamodb';
import { storeOf } from '../holdfast.mjs';
import { pollingStore } from '../polling.mjs';

const settings = { region: 'eu-central-1', credentials: { accessKeyId: 'bench', secretAccessKey: 'bench' } };

function clientOf(port) {
  const client = new DynamoDB({ ...settings, endpoint: `http://127.0.0.1:${port}` });
  let calls = 0;
  const count = (next) => (args) => {
    calls++;
    return next(args);
  };
  client.middlewareStack.add(count, { step: 'finalizeRequest' });
  return { client, renewCalls: () => calls };
}

export async function makeTables(port) {
  const { client } = clientOf(port);
  for (const [TableName, key] of [
    ['holdfast', 'name'],
    ['raw', 'name'],
    ['open', 'id'],
    ['closed', 'id'],
  ]) {
    await client.createTable({
      TableName,
      AttributeDefinitions: [{ AttributeName: key, AttributeType: 'S' }],
      KeySchema: [{ AttributeName: key, KeyType: 'HASH' }],
      BillingMode: 'PAY_PER_REQUEST',
    });
    while ((await client.describeTable({ TableName })).Table?.TableStatus !== 'ACTIVE')
      await new Promise((again) => setTimeout(again, 10));
  }
  client.destroy();
}

/** The floor: what everybody writes first. It trusts the processes' clocks, and has no fence, no queue and no signal of loss. */
export function openRaw({ port, ttlMs, retryMs }) {
  const { client, renewCalls } = clientOf(port);
  const TableName = 'raw';
  const names = { '#n': 'name', '#o': 'owner', '#e': 'expires' };
  const ours = (name, owner) => ({
    TableName,
    Key: { name: { S: name } },
    ConditionExpression: '#o = :o',
    ExpressionAttributeValues: { ':o': { S: owner } },
  });
  const isRefused = (error) => error.name === 'ConditionalCheckFailedException';
  const store = {
    async take(name, owner) {
      const now = Date.now();
      try {
        await client.putItem({
          TableName,
          Item: { name: { S: name }, owner: { S: owner }, expires: { N: String(now + ttlMs) } },
          ConditionExpression: 'attribute_not_exists(#n) OR #e <= :now',
          ExpressionAttributeNames: { '#n': names['#n'], '#e': names['#e'] },
          ExpressionAttributeValues: { ':now': { N: String(now) } },
        });
        return true;
      } catch (error) {
        if (isRefused(error)) return false;
        throw error;
      }
    },
    give: (name, owner) => client.deleteItem({ ...ours(name, owner), ExpressionAttributeNames: { '#o': names['#o'] } }),
    async renewAll(owners) {
      const expires = { N: String(Date.now() + ttlMs) };
      const renewals = [...owners].map(([name, owner]) => {
        const own = ours(name, owner);
        return client.updateItem({
          ...own,
          UpdateExpression: 'SET #e = :e',
          ExpressionAttributeNames: { '#o': names['#o'], '#e': names['#e'] },
          ExpressionAttributeValues: { ...own.ExpressionAttributeValues, ':e': expires },
        });
      });
      await Promise.all(renewals);
    },
    close: () => client.destroy(),
    renewCalls,
  };
  return pollingStore(store, { ttlMs, retryMs });
}

export function openHoldfast({ port, ttlMs }) {
  const { client, renewCalls } = clientOf(port);
  return storeOf(dynamodb(client), ttlMs, { disconnect: () => client.destroy(), renewCalls });
}
