// A holder in a process of its own: `worker.mjs <port> <name> <ttlMs>`; answers in lines of JSON, obeys words on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import { dynamodb } from './src/backends/dynamodb/index.js';
import { Holdfast } from './src/core/holdfast.js';

const [port, name, ttlMs] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const client = new DynamoDB({
  endpoint: `http://127.0.0.1:${port}`,
  region: 'eu-central-1',
  credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
});
const locks = new Holdfast(dynamodb(client), { ttlMs: Number(ttlMs) });
const lease = await locks.acquire(name);
/** Picked up early, as code does that pauses between this and its write. */
const fence = String(lease.fence);

const write = () =>
  client
    .updateItem({
      TableName: 'sink',
      Key: { name: { S: 'sink' } },
      UpdateExpression: 'SET fence = :fence, accepted = list_append(if_not_exists(accepted, :none), :this)',
      ConditionExpression: 'attribute_not_exists(fence) OR fence <= :fence',
      ExpressionAttributeValues: { ':fence': { N: fence }, ':none': { L: [] }, ':this': { L: [{ S: `${fence} process` }] } },
    })
    .then(
      () => true,
      () => false,
    );

const words = {
  async write() {
    say({ accepted: await write() });
  },
  touch() {
    try {
      say({ fence: String(lease.fence) });
    } catch (error) {
      say({ code: error.code, loss: error.loss });
    }
  },
  async release() {
    say({ released: await lease.release() });
  },
  /** Gives everything back, and ends by itself if nothing of the library keeps it alive. */
  async leave() {
    await lease.release();
    await locks.close();
    client.destroy();
    process.stdin.destroy();
    say({ left: true });
  },
};

say({ granted: await write(), fence });
createInterface(process.stdin).on('line', (line) => void words[line]());
