import { expect, it } from 'vitest';
import type { RedisServer } from '../support/redis-server.js';
import { until } from '../support/waits.js';
import { type Clinic, kill } from './support/clinic.js';
import { onRedis, onSqlite } from './support/stores.js';
import { standStill } from '../support/stand-still.js';

/** Names that nobody holds, and that nobody gets. */

let names = 0;
const fresh = () => `queue-${++names}`;

/** So many wait. */
async function waiting(clinic: Clinic, name: string, count: number): Promise<void> {
  const backend = await clinic.open();
  const waiters = async () => {
    let found = 0;
    for await (const { state } of backend.list(name)) if (state === 'waiting') found += 1;
    return found;
  };
  await until(async () => (await waiters()) === count, `${count} wait`);
  await backend.close();
}

/** Held by one process, and another waits. */
async function heldAndWaited(clinic: Clinic, name: string) {
  const holder = await clinic.holder(name, 10_000);
  const first = clinic.asker(name, 10_000);
  await waiting(clinic, name, 1);
  return { holder, first };
}

onRedis((clinic, server) => {
  it('stuck-behind-dead-waiter: the name was offered to one that is dead', async () => {
    const name = fresh();
    const { holder, first } = await heldAndWaited(clinic, name);
    clinic.asker(name, 10_000);
    await waiting(clinic, name, 2);
    await kill(first);
    expect(await clinic.ids({ name })).toEqual(['healthy']);
    holder.say('release');
    await holder.next();
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({
      id: 'stuck-behind-dead-waiter',
      evidence: [expect.stringContaining(String(first.child.pid)), expect.stringContaining('1 more')],
      next: [{ command: `holdfast inspect ${name}` }],
    });
    expect(others).toEqual([]);
  });

  it('waiting-out-a-pause: it was offered to a waiter of another machine, which does not come', async () => {
    const name = fresh();
    const { holder, first } = await heldAndWaited(clinic, name);
    await kill(first);
    await moved(server(), name);
    holder.say('release');
    await holder.next();
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'waiting-out-a-pause', summary: expect.stringContaining('offered to a waiter') });
    expect(others).toEqual([]);
  });
});

/** As if the waiter were a process of another machine. */
async function moved(server: RedisServer, name: string): Promise<void> {
  const who = `{holdfast:${name}}:who`;
  const script = `for i, v in ipairs(redis.call('HGETALL', KEYS[1])) do
    if i % 2 == 0 then redis.call('HSET', KEYS[1], redis.call('HKEYS', KEYS[1])[1], (string.gsub(v, '"bootId":"[^"]*"', '"bootId":"another"'))) end
  end`;
  await server.command('EVAL', script, '1', who);
}

onSqlite((clinic) => {
  it('stuck-behind-dead-waiter: whoever is first is stopped', async () => {
    const name = fresh();
    const { holder, first } = await heldAndWaited(clinic, name);
    standStill(first.child.pid);
    holder.say('release');
    await holder.next();
    const [verdict, ...others] = await clinic.verdicts({ name });
    expect(verdict).toMatchObject({ id: 'stuck-behind-dead-waiter', next: [{ command: `kill -CONT ${first.child.pid}` }] });
    expect(others).toEqual([]);
  });

  it('a dead waiter is passed over at once, and is no trouble', async () => {
    const name = fresh();
    const { holder, first } = await heldAndWaited(clinic, name);
    await kill(first);
    holder.say('release');
    await holder.next();
    expect(await clinic.ids({ name })).toEqual(['free']);
  });
});
