import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startServer, succeeds } from '../lib/server.mjs';
import { holdfast } from './holdfast.mjs';
import { versionOf } from './versions.mjs';

export const peers = {
  raw: async (options) => (await import('./peers/etcd.mjs')).openRaw(options),
  holdfast: async (options) => (await import('./peers/etcd.mjs')).openHoldfast(options),
  etcd3: async (options) => (await import('./peers/etcd3.mjs')).openEtcd3(options),
};

export const store = {
  title: 'one etcd server: as it comes, what it answers is on the disk, TCP over loopback, one channel per process',
  contenders: [
    {
      key: 'raw',
      label: 'raw Txns (floor)',
      options: { retryMs: 5 },
      settings:
        'a Txn that puts where nothing is, with the one lease of the process, and a Txn that compares and deletes, over `@grpc/grpc-js`; asks again every 5 ms; renews that one lease',
    },
    holdfast('`@grpc/grpc-js`'),
    {
      key: 'etcd3',
      label: 'etcd3 1.1.2',
      options: { retryMs: 20 },
      settings:
        '`client.lock(name).ttl(6).do(work)`, which has a lease for each lock and does not wait: asks again every 20 ms; renews every third of the TTL, lock by lock',
    },
  ],
  versions: () => [execFileSync('etcd', ['--version'], { encoding: 'utf8' }).split('\n')[0], versionOf('@grpc/grpc-js')],
  start,
};

/** Messages that came in, those of streams one by one. */
export async function countCalls({ port }) {
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...metrics.matchAll(/^grpc_server_msg_received_total\{.*\} (\S+)$/gm)].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );
}

async function start(folder) {
  const server = await startServer(async () => {
    const [port, peerPort] = [await freePort(), await freePort()];
    const [client, peer] = [port, peerPort].map((each) => `http://127.0.0.1:${each}`);
    const data = join(mkdtempSync(join(folder, 'etcd-')), 'data');
    return {
      program: 'etcd',
      args: [
        ...['--name', 'bench', '--data-dir', data, '--log-level', 'error', '--initial-cluster', `bench=${peer}`],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        // With its own, leases of six seconds would be longer ones.
        ...['--heartbeat-interval', '20', '--election-timeout', '200'],
      ],
      answers: () => succeeds(fetch(`${client}/health`).then(async (reply) => (await reply.text()).includes('"true"'))),
      port,
    };
  }, 'apt-get install etcd-server');
  return { ...server, options: { port: server.port }, empty: () => compact(server.port) };
}

/** What was is nobody's burden. */
async function compact(port) {
  const post = (path, body) => fetch(`http://127.0.0.1:${port}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
  const { header } = await (await post('range', { key: btoa('bench') })).json();
  await post('compaction', { revision: header.revision });
}
