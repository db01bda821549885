import http from 'node:http';
import AWS from 'aws-sdk';
import lockClient from 'dynamodb-lock-client';
import { takeAll } from '../../lib/leases.mjs';

const forEver = 2 ** 31 - 1;

function clientOf(port) {
  const dynamodb = new AWS.DynamoDB.DocumentClient({
    region: 'eu-central-1',
    accessKeyId: 'bench',
    secretAccessKey: 'bench',
    endpoint: `http://127.0.0.1:${port}`,
    // As SDK 3 does by itself.
    httpOptions: { agent: new http.Agent({ keepAlive: true, maxSockets: 50 }) },
  });
  let calls = 0;
  AWS.events.on('send', () => calls++);
  return { dynamodb, renewCalls: () => calls };
}

/** @param forPairs, forHeld one of its clients each */
function storeOf(forPairs, forHeld, rest) {
  const acquire = (client, name) =>
    new Promise((resolve, reject) => client.acquireLock(name, (error, lock) => (error ? reject(error) : resolve(lock))));
  const release = (lock) => new Promise((resolve, reject) => lock.release((error) => (error ? reject(error) : resolve())));
  return {
    async pair(name, work) {
      const lock = await acquire(forPairs, name);
      try {
        await work();
      } finally {
        await release(lock);
      }
    },
    hold: (names) =>
      takeAll(names, async (name) => {
        const lock = await acquire(forHeld, name);
        return () => release(lock);
      }),
    close: () => {},
    ...rest,
  };
}

export function openFailOpen({ port, ttlMs, trustLocalTime }) {
  const { dynamodb, renewCalls } = clientOf(port);
  const config = { dynamodb, lockTable: 'open', partitionKey: 'id', leaseDurationMs: ttlMs, retryCount: forEver, trustLocalTime };
  const renewing = new lockClient.FailOpen({ ...config, heartbeatPeriodMs: ttlMs / 3 });
  return storeOf(new lockClient.FailOpen(config), renewing, { renewCalls });
}

export function openFailClosed({ port, acquirePeriodMs }) {
  const { dynamodb, renewCalls } = clientOf(port);
  const config = { dynamodb, lockTable: 'closed', partitionKey: 'id', acquirePeriodMs, retryCount: forEver };
  const client = new lockClient.FailClosed(config);
  return storeOf(client, client, { renewCalls });
}
