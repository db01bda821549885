import { describe, expect, it } from 'vitest';
import { redlock } from '../../src/backends/redlock/index.js';
import type { Finding } from '../../src/core/backend.js';
import { ask, heldOf } from '../support/asks.js';
import { clients } from '../support/redis-clients.js';
import { redisIsMissing } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { granted, Scene } from './support.js';

describe.skipIf(redisIsMissing)('what the probe finds', () => {
  const scene = new Scene(3);
  const about = (found: readonly Finding[], what: RegExp) => found.filter((finding) => what.test(finding.what));

  it('of every node: all that is found of a single server', async () => {
    const store = await scene.store();
    const found = await store.probe();
    const [nothing] = about(found, /keeps nothing on disk/);
    for (const port of scene.nodes.ports) expect(nothing?.what).toContain(`127.0.0.1:${port}`);
    expect(found.filter(({ severity }) => severity === 'critical')).toEqual([]);
    for (const finding of found) expect(finding.fix).not.toBe('');
  });

  it('of a node that is away, and of one in its grace', async () => {
    await scene.introduce({});
    await scene.nodes.server(2).kill();
    await scene.nodes.server(1).kill();
    await scene.nodes.server(1).boot();
    const store = await scene.store({ newNodes: 'wait' });
    const found = await store.probe();
    const [, waiting, away] = scene.nodes.ports;
    expect(about(found, new RegExp(`^127.0.0.1:${away} cannot be asked`))).toMatchObject([{ severity: 'critical' }]);
    expect(about(found, new RegExp(`^127.0.0.1:${waiting} sits out its grace for \\d`))).toMatchObject([{ severity: 'warning' }]);
  });

  it('of a node that does not know a holder', async () => {
    const store = await scene.store();
    const one = ask('a');
    await granted(store, one);
    await until(async () => !(await scene.holding('a')).includes(false), 'all nodes have it');
    await scene.nodes.server(1).command('DEL', 'holdfast:a');
    expect(about(await store.probe(), /does not know the holder of "a"$/)).toHaveLength(1);
    await store.release(heldOf(one));
    expect(about(await store.probe(), /does not know/)).toEqual([]);
  });

  it('of nodes that are replicas of each other', async () => {
    const store = await scene.store();
    await scene.nodes.server(1).command('REPLICAOF', '127.0.0.1', String(scene.nodes.server(0).port));
    await expect
      .poll(async () => (await scene.nodes.server(1).command('INFO', 'replication')).includes('master_link_status:up'), {
        timeout: 20_000,
      })
      .toBe(true);
    const found = await store.probe();
    expect(about(found, /is a replica of the other/)).toMatchObject([{ severity: 'critical' }]);
    await scene.nodes.server(1).command('REPLICAOF', 'NO', 'ONE');
  });

  it('of one server under two names, whose vote counts once', async () => {
    const urls = [0, 1, 1].map((index) => scene.nodes.server(index).url);
    const opened = await Promise.all(urls.map(async (url) => clients['ioredis 5']?.(url)));
    const store = redlock(
      opened.map((one) => one?.client as never),
      { newNodes: 'trust' },
    );
    expect(about(await store.probe(), /are the same server$/)).toMatchObject([{ severity: 'critical' }]);
    const one = ask('a');
    await granted(store, one);
    await store.release(heldOf(one));
    // Without the first, the other two are one: no majority.
    await scene.nodes.server(0).kill();
    await expect(store.acquire(ask('a'))).rejects.toThrow(/it is the same server as/);
    await store.close();
    for (const it of opened) it?.end();
  });
});
