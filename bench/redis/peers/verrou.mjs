import { LockFactory } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import { connectIoredis } from '../clients.mjs';

export async function open({ port, ttlMs, delay }) {
  const client = await connectIoredis(port);
  const locks = new LockFactory(redisStore({ connection: client }).factory(), { retry: { delay } });
  return {
    pair: (name, work) => locks.createLock(name, ttlMs).run(async () => work()),
    close: () => client.disconnect(),
  };
}
