import { Redis } from 'ioredis';
import Redlock from 'redlock';
import { describe } from 'vitest';
import { openRedlock, RedlockNodes } from '../support/redlock-nodes.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { Scene } from './scene.js';
import {
  anywhere,
  diagnosed,
  foreign,
  inOtherLetters,
  quietWhenHealthy,
  type Situation,
  whereTimeIsTold,
  withSink,
} from './situations.js';
import { standStill } from '../support/stand-still.js';

let nodes: RedlockNodes;

/** The library of that name, on the same nodes and keys. */
async function redlockLibrary(name: string) {
  const clients = nodes.ports.map((port) => new Redis(port));
  const lock = await new Redlock(clients).acquire([`holdfast:${name}`], 20_000);
  return async () => {
    await lock.release();
    for (const client of clients) client.disconnect();
  };
}

const others: readonly Situation[] = [
  foreign('a lock of the library redlock', /looks like redlock.*, on 127\.0\.0\.1:\d+, 127/s, redlockLibrary),
  foreign(
    'a key without a TTL on all nodes',
    /without a TTL.*EVAL/s,
    async (name) => {
      await nodes.command('SETNX', `holdfast:${name}`, 'mine');
      return () => nodes.command('DEL', `holdfast:${name}`);
    },
    'no-ttl',
  ),
  {
    title: 'a lock of another library on one of the nodes',
    verdict: 'foreign-lock',
    says: /holdfast:\S+ holds .*, on 127\.0\.0\.1:\d+$/m,
    async make(scene, name) {
      await scene.hold(name);
      const key = `holdfast:${name}`;
      await nodes.server(2).command('SET', key, '0123456789abcdef0123456789abcdef', 'PX', '20000');
      scene.later(() => nodes.server(2).command('DEL', key));
    },
  },
  {
    title: 'two holders, after most nodes lost the lock of one that stands still',
    verdict: 'two-claimants',
    says: /different holders.*127\.0\.0\.1:\d+: process \d+/s,
    async make(scene, name) {
      // It must still be there when the doctor comes, however busy the machine is.
      const holder = await scene.holder(name, 60_000);
      // It goes on with a majority, and the third vote may not even be sent.
      const votes = () => nodes.command('EXISTS', `holdfast:${name}`);
      await until(async () => (await votes()).every((vote) => vote.startsWith(':1')), 'every node has voted for it');
      standStill(holder.child.pid);
      for (const i of [0, 1]) await nodes.server(i).command('DEL', `holdfast:${name}`);
      await scene.hold(name);
      scene.later(() => nodes.server(2).command('DEL', `holdfast:${name}`));
    },
  },
];

/** It costs the nodes their votes for a minute, so it comes last. */
const restarted: Situation = {
  title: 'a majority that was restarted without its data',
  verdict: 'waiting-out-a-pause',
  says: /lost its memory.*127\.0\.0\.1:\d+, 127\.0\.0\.1:\d+/s,
  async make(scene) {
    const doctor = await scene.doctor();
    for (const i of [0, 1]) await nodes.server(i).kill();
    for (const i of [0, 1]) await nodes.server(i).boot();
    const restarted = nodes.ports.slice(0, 2).map((port) => `127.0.0.1:${port}`);
    // With one of them there is a majority that answers.
    const answers = async () => {
      const [pause] = (await doctor.examine?.({ text: 'any', encoded: 'any' }))?.pauses ?? [];
      return restarted.every((node) => pause?.of.includes(node));
    };
    await until(() => answers().catch(() => false), 'both nodes are reached again', 20_000);
  },
};

describe.skipIf(redisIsMissing)('the doctor on Redlock', () => {
  const scene = new Scene({
    folder: 'redlock',
    ttlMs: 4_000,
    url: () => `redlock://${nodes.ports.map((port) => `127.0.0.1:${port}`).join(',')}?newNodes=trust`,
    async start() {
      nodes = await RedlockNodes.start(3);
      // Somebody has to say once that they are new.
      await (await openRedlock('ioredis 5', nodes.ports)).close();
    },
    stop: () => nodes.stop(),
    open: () => openRedlock('ioredis 5', nodes.ports, { newNodes: 'wait' }),
  });
  quietWhenHealthy(scene);
  diagnosed(scene, [...anywhere, ...whereTimeIsTold, withSink, inOtherLetters, ...others, restarted]);
});
