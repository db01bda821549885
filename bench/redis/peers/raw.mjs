import { randomBytes } from 'node:crypto';
import { takeAll } from '../../lib/leases.mjs';
import { connectIoredis } from '../clients.mjs';

const giveBackScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0`;
const renewScript = `if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0`;

/**
 * The floor: what everybody writes first. `SET NX PX` takes, a script that compares gives back (by its hash), no fence, no
 * metadata, no queue, no signal of loss; who finds the name taken asks again after `retryMs`. Renewals go out together.
 */
export async function open({ port, ttlMs, retryMs }) {
  const client = await connectIoredis(port);
  client.defineCommand('giveBack', { numberOfKeys: 1, lua: giveBackScript });
  client.defineCommand('renew', { numberOfKeys: 1, lua: renewScript });

  async function acquire(name) {
    const owner = randomBytes(16).toString('base64url');
    for (;;) {
      if ((await client.set(name, owner, 'PX', ttlMs, 'NX')) === 'OK') return owner;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  async function renewAll(owners) {
    const pipeline = client.pipeline();
    for (const [name, owner] of owners) pipeline.renew(name, owner, ttlMs);
    await pipeline.exec();
  }

  return {
    async pair(name, work) {
      const owner = await acquire(name);
      try {
        await work();
      } finally {
        await client.giveBack(name, owner);
      }
    },
    async hold(names) {
      const owners = new Map();
      const release = await takeAll(names, async (name) => {
        const owner = await acquire(name);
        owners.set(name, owner);
        return () => client.giveBack(name, owner);
      });
      const timer = setInterval(renewAll, ttlMs / 3, owners);
      return () => {
        clearInterval(timer);
        return release();
      };
    },
    close: () => client.disconnect(),
  };
}
