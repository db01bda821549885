import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, startServer, succeeds } from '../lib/server.mjs';
import { holdfast } from './holdfast.mjs';
import { versionOf } from './versions.mjs';

export const peers = {
  raw: async (options) => (await import('./peers/dynamodb.mjs')).openRaw(options),
  holdfast: async (options) => (await import('./peers/dynamodb.mjs')).openHoldfast(options),
  'fail-open': async (options) => (await import('./peers/dynamodb-lock-client.mjs')).openFailOpen(options),
  'fail-closed': async (options) => (await import('./peers/dynamodb-lock-client.mjs')).openFailClosed(options),
};

const asleep = 'who finds the name held sleeps for all that is left of its TTL: the callers come to no end in time';

/** One store for each stand-in: `title`, `fix`, `command(port)` and `versions`. */
export function storeOn({ title, fix, command, versions, missing }) {
  return {
    title,
    contenders: [
      {
        key: 'raw',
        label: 'raw writes (floor)',
        options: { retryMs: 5 },
        settings:
          'a conditional `PutItem` and a conditional `DeleteItem` (SDK 3); asks again every 5 ms; renews each by an `UpdateItem`',
      },
      holdfast('SDK 3'),
      {
        key: 'fail-open',
        label: 'dynamodb-lock-client 0.7.3, open',
        options: { trustLocalTime: true },
        settings:
          '`FailOpen` over SDK 2, which it needs; `trustLocalTime`, retries for ever; heartbeats every third of the TTL for `held`, none for pairs',
        cannot: { xproc: asleep, handover: asleep },
      },
      {
        key: 'fail-closed',
        label: 'dynamodb-lock-client 0.7.3, closed',
        options: { acquirePeriodMs: 20 },
        settings:
          '`FailClosed` over SDK 2; asks again every 20 ms; no TTL: what a dead process held stays held, and nothing is renewed',
      },
    ],
    versions: () => [...versions(), versionOf('@aws-sdk/client-dynamodb'), versionOf('aws-sdk')],
    missing,
    start: (folder) => start(folder, command, fix),
  };
}

async function start(folder, command, fix) {
  const server = await startServer(async () => {
    const port = await freePort();
    const [program, ...args] = command(port, mkdtempSync(join(folder, 'dynamodb-')));
    return { program, args, answers: () => succeeds(reach(port)), port };
  }, fix);
  const { makeTables } = await import('./peers/dynamodb.mjs');
  await makeTables(server.port);
  return { ...server, options: { port: server.port } };
}

async function reach(port) {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
  } finally {
    socket.destroy();
  }
}
