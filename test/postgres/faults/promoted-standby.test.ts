import { once } from 'node:events';
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { PostgresServer, postgresIsMissing } from '../../support/postgres-server.js';
import { lossOf, thrownBy, until } from '../../support/waits.js';
import { Scene } from '../scene.js';

/** Leads to another server from one moment to the next, as a name in the DNS, or a proxy in front of a pair, does. */
class Switch {
  readonly #server = net.createServer((client) => {
    const to = net.connect(this.port, '127.0.0.1');
    this.#sockets.add(client).add(to);
    for (const socket of [client, to]) socket.on('error', () => {});
    client.pipe(to).pipe(client);
    client.on('close', () => to.destroy());
    to.on('close', () => client.destroy());
  });
  readonly #sockets = new Set<net.Socket>();
  port: number;

  constructor(port: number) {
    this.port = port;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return (this.#server.address() as net.AddressInfo).port;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe.skipIf(postgresIsMissing)('an asynchronous standby', () => {
  const scene = new Scene();
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
  });

  it('takes no locks, says why, and when it is promoted without the last commits its fences are still higher', async () => {
    const before = scene.holder();
    await (await before.acquire('job')).release();
    const standby = await PostgresServer.standby(scene.server);
    ends.push(() => standby.stop());
    const at = new Switch(scene.server.port);
    const port = await at.listen();
    ends.push(() => at.close());
    const locks = scene.holder({ ttlMs: 6_000, port });

    const replica = scene.holder({ port: standby.port, unavailableMs: 300 });
    expect(await thrownBy(replica.acquire('job'))).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
      permanent: false,
      message: expect.stringMatching(/read replica.*connect to the primary/),
    });
    expect(await thrownBy(replica.query())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    expect(await scene.backend('pg', {}, standby.port).probe()).toEqual(
      expect.arrayContaining([expect.objectContaining({ severity: 'critical', what: expect.stringMatching(/read replica/) })]),
    );

    // What is granted from here on never reaches it.
    await standby.rows("ALTER SYSTEM SET primary_conninfo = ''");
    await standby.rows('SELECT pg_reload_conf()');
    await until(
      async () => (await scene.server.value('SELECT count(*)::int FROM pg_stat_replication')) === 0,
      'it follows no more',
    );
    const lease = await locks.acquire('job');
    const { fence } = lease;
    expect(await scene.work(lease)).toBe(true);
    const lost = lossOf(locks);
    await scene.server.kill();
    await standby.rows('SELECT pg_promote()');
    await until(async () => (await standby.value('SELECT pg_is_in_recovery()')) === false, 'it is promoted');
    at.port = standby.port;

    // As the page says: both believe in their lease until the next renewal of the first.
    const next = await scene.holder({ port: standby.port }).acquire('job');
    expect(next.fence).toBeGreaterThan(fence);
    expect(await scene.work(next)).toBe(true);
    expect(scene.lateWrite(lease, fence)).toBe(false);
    expect((await lost).loss).toBe('forgotten');
    expect(await lease.release()).toMatch(/absent|not-owner/);
    expect(await next.release()).toBe('released');
    await scene.server.boot();
    // The old primary still has what the new one never heard of.
    await scene.server.rows("UPDATE holdfast.leases SET expires = '-infinity'");
  });
});
