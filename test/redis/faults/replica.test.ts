import { describe, expect, it } from 'vitest';
import { RedisServer, redisIsMissing } from '../../support/redis-server.js';
import { thrownBy, until } from '../../support/waits.js';
import { Scene } from './scene.js';

describe.skipIf(redisIsMissing)('a read-only replica, given by mistake', () => {
  const scene = new Scene('--repl-diskless-sync-delay', '0');

  it.each(['ioredis 5', 'node-redis 5'])('grants nothing, and the error says what to do (%s)', async (library) => {
    const replica = await RedisServer.start('--replicaof', '127.0.0.1', String(scene.server.port));
    try {
      await until(
        async () => (await replica.command('INFO', 'replication')).includes('master_link_status:up'),
        'the replica is in step',
      );
      const locks = await scene.holder({ library, port: replica.port, unavailableMs: 300 });
      const error = await thrownBy(locks.acquire('job'));
      expect(error).toMatchObject({
        code: 'BACKEND_UNAVAILABLE',
        // It may be promoted in the next second: asking again can help.
        permanent: false,
        message: expect.stringMatching(/READONLY.*replica; connect to the master/),
      });
      await expect(locks.acquire('job', { waitMs: 0 })).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
      await expect(locks.query()).resolves.toEqual({ held: [], pending: [] });
      await replica.command('REPLICAOF', 'NO', 'ONE');
      const lease = await locks.acquire('job');
      expect(await lease.release()).toBe('released');
      await locks.close();
    } finally {
      await replica.stop();
    }
  });
});
