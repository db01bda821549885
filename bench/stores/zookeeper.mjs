import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freePort, startServer, succeeds } from '../lib/server.mjs';
import { holdfast } from './holdfast.mjs';
import { versionOf } from './versions.mjs';

const jar = process.env.HOLDFAST_ZOOKEEPER_JAR ?? '/usr/share/java/zookeeper.jar';

export const peers = {
  raw: async (options) => (await import('./peers/zookeeper.mjs')).openRaw(options),
  holdfast: async (options) => (await import('./peers/zookeeper.mjs')).openHoldfast(options),
  recipe: async (options) => (await import('./peers/zookeeper.mjs')).openRecipe(options),
};

export const store = {
  title: 'one ZooKeeper server: as it comes, what it answers is on the disk, TCP over loopback, one session per process',
  contenders: [
    {
      key: 'raw',
      label: 'raw create and remove (floor)',
      options: { retryMs: 5 },
      settings: 'an ephemeral node, made and removed (`node-zookeeper-client`); asks again every 5 ms; the session keeps itself',
    },
    holdfast('`node-zookeeper-client`'),
    {
      key: 'recipe',
      label: 'the lock recipe by hand',
      settings:
        'an ephemeral sequential node below the name, its siblings, a watch on the one in front (`node-zookeeper-client`); no fence, no signal of loss',
    },
  ],
  versions: () => ['ZooKeeper of Debian', versionOf('node-zookeeper-client')],
  start,
};

/** Requests and pings that came in. */
export async function countCalls({ port }) {
  return Number((await word(port, 'mntr')).match(/^zk_packets_received\s+(\d+)/m)?.[1]);
}

async function start(folder) {
  const server = await startServer(async () => {
    const own = mkdtempSync(join(folder, 'zookeeper-'));
    const port = await freePort();
    const settings = {
      tickTime: 1_000,
      dataDir: join(own, 'data'),
      clientPort: port,
      clientPortAddress: '127.0.0.1',
      '4lw.commands.whitelist': '*',
      maxClientCnxns: 0,
    };
    const config = join(own, 'zoo.cfg');
    writeFileSync(
      config,
      Object.entries(settings)
        .map((entry) => `${entry.join('=')}\n`)
        .join(''),
    );
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    return {
      program: 'java',
      args: ['-Xmx512m', '-XX:+UseSerialGC', '-Dzookeeper.admin.enableServer=false', '-cp', jar, main, config],
      answers: () => succeeds(word(port, 'srvr').then((said) => /^Mode: /m.test(said))),
      port,
    };
  }, 'apt-get install zookeeper default-jre-headless');
  return { ...server, options: { port: server.port } };
}

/** One of the server's four-letter words. */
async function word(port, text) {
  const socket = connect(port, '127.0.0.1');
  // One that has only begun to listen may take the word, and never answer it.
  socket.setTimeout(1_000, () => socket.destroy(new Error('no answer')));
  socket.end(text);
  let reply = '';
  for await (const chunk of socket) reply += String(chunk);
  return reply;
}
