import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { DatabaseFunctions } from '../../src/core/database.js';
import { InvalidArgumentError } from '../../src/core/errors.js';
import { type OutboxMessage, outbox, type RelayEvent, relay } from '../../src/outbox/index.js';
import { outboxDefinitions } from '../../src/outbox/sql/definitions.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Collector, event, Scene } from './support/scene.js';

interface Turn {
  readonly claim: { readonly shards: readonly number[]; readonly fences: readonly string[]; readonly leftMs: number };
  readonly events: readonly (readonly [shard: number, pos: number, ...unknown[]])[];
}

const nobody: Turn = { claim: { shards: [], fences: [], leftMs: 0 }, events: [] };
const ttlMs = 2_500;

/** One turn of a relay, as the database sees it. */
async function turn(
  functions: DatabaseFunctions,
  name: string,
  before = nobody,
  done: Turn['events'] = [],
  failed: object[] = [],
): Promise<Turn> {
  const reports = [JSON.stringify(done.map(([shard, pos]) => [shard, pos])), JSON.stringify(failed)];
  const args = [name, ttlMs, false, before.claim.shards, before.claim.fences, ...reports, 100, 100];
  return JSON.parse((await functions.call('outbox_turn', args, 'a turn', 10_000)) ?? '{}') as Turn;
}

describe.skipIf(postgresIsMissing)('claims', () => {
  const scene = new Scene('max_prepared_transactions=2');

  it('a relay that was paused can mark nothing that another has claimed since', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    await scene.write(event('a', 1), event('b', 2), event(undefined, 3));
    const paused = await turn(functions, 'paused');
    expect(paused.events).toHaveLength(3);
    expect((await turn(functions, 'other')).events).toEqual([]);
    await sleep(ttlMs + 50);
    const other = await turn(functions, 'other');
    expect(other.events).toHaveLength(3);
    const failed = other.events.map(([shard, pos]) => ({ shard, pos, attempts: 9, ms: 0, dead: true, error: 'late' }));
    expect((await turn(functions, 'paused', paused, [], failed)).events).toEqual([]);
    expect(await turn(functions, 'paused', paused, paused.events)).toMatchObject({ events: [] });
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(3);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_letters')).toBe(0);
    await turn(functions, 'other', other, other.events);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(0);
  });

  it('a claim that came back is another claim', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    await scene.write(event('a', 1));
    const first = await turn(functions, 'x');
    await sleep(ttlMs + 50);
    const between = await turn(functions, 'y');
    expect(between.claim.shards).toHaveLength(16);
    await functions.call('outbox_leave', ['y', between.claim.shards, between.claim.fences, '[]', '[]'], 'leaving', 2_000);
    const second = await turn(functions, 'x');
    expect(second.events).toHaveLength(1);
    // A report that comes late: what it did under its first claim does not count under its second.
    await turn(functions, 'x', first, first.events);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_events')).toBe(1);
    expect(BigInt(second.claim.fences[0] ?? 0)).toBeGreaterThan(BigInt(first.claim.fences[0] ?? 0));
  });

  it('a claim that is over and that nobody took is still good', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    await scene.write(event('a', 1));
    const first = await turn(functions, 'x');
    await sleep(ttlMs + 50);
    const next = await turn(functions, 'x', first, first.events);
    expect(next).toMatchObject({ events: [], claim: { fences: first.claim.fences } });
    expect(next.claim.leftMs).toBeGreaterThan(ttlMs / 2);
  });

  it('a clock of the server that was set back makes no claim longer', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    await scene.write(event('a', 1));
    const first = await turn(functions, 'x');
    // As it looks when an hour has to pass once more.
    for (const table of ['shards', 'relays'])
      await scene.server.rows(`UPDATE holdfast.outbox_${table} SET until = until + interval '1 hour' WHERE relay = 'x'`);
    const next = await turn(functions, 'x', first);
    expect(next.claim).toMatchObject({ shards: first.claim.shards, fences: first.claim.fences });
    expect(next.claim.leftMs).toBeLessThanOrEqual(ttlMs);
    await sleep(ttlMs + 50);
    expect((await turn(functions, 'y')).claim.shards).toHaveLength(16);
  });

  it('saying the same twice changes nothing', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    await scene.write(event('a', 1), event('a', 2));
    const first = await turn(functions, 'x');
    const [[shard, pos] = [0, 0]] = first.events;
    const failed = [{ shard, pos, attempts: 1, ms: 60_000, dead: false, error: 'once' }];
    for (let times = 0; times < 2; times++) expect((await turn(functions, 'x', first, [], failed)).events).toEqual([]);
    expect(await scene.server.rows('SELECT attempts, error FROM holdfast.outbox_letters')).toEqual([
      { attempts: 1, error: 'once' },
    ]);
  });

  it('relays share fairly, take over from those that leave, and leave nothing behind', async () => {
    const shares = new Map<string, number>();
    const start = (name: string) =>
      scene.relay(new Collector(), {
        observe: (one: RelayEvent) => one.type === 'claimed' && shares.set(name, one.shards.length),
      });
    const [a, b] = [start('a'), start('b')];
    await until(() => shares.get('a') === 8 && shares.get('b') === 8, 'two have a half each');
    const c = start('c');
    await until(() => [...shares.values()].sort().join() === '4,6,6', 'three have a third each');
    await a.stop();
    await c.stop();
    await until(() => shares.get('b') === 16, 'one has all');
    await b.stop();
    expect(await scene.server.value("SELECT count(*)::int FROM holdfast.outbox_shards WHERE relay <> ''")).toBe(0);
    expect(await scene.server.value('SELECT count(*)::int FROM holdfast.outbox_relays')).toBe(0);
  });

  it('a relay refuses options and publishers that are none', () => {
    const database = scene.database();
    const bad = [
      { ttlMs: 999 },
      { batch: 0 },
      { batch: 1.5 },
      { publishTimeoutMs: 6_000 },
      { pollMsMax: 0 },
      { attemptsMax: 0 },
      { observe: 1 },
      { ttl: 1 },
    ];
    for (const options of bad)
      expect(() => relay(database, new Collector(), options as never), JSON.stringify(options)).toThrow(InvalidArgumentError);
    for (const none of [{}, undefined, () => {}, { publishOne: async () => {}, concurrency: 0 }])
      expect(() => relay(database, none as never)).toThrow(InvalidArgumentError);
  });

  it('a relay that finds nothing to do writes nothing', async () => {
    await scene.write(event('k', 1));
    scene.relay(new Collector(), { ttlMs: 60_000 });
    await until(async () => (await scene.server.value('SELECT asleep FROM holdfast.outbox_relays')) === true, 'it sleeps', 5_000);
    const versions = () =>
      scene.server.rows('SELECT xmin::text FROM holdfast.outbox_relays UNION ALL SELECT xmin::text FROM holdfast.outbox_shards');
    const before = await versions();
    await sleep(1_500);
    expect(await versions()).toEqual(before);
  });

  it('a relay that was told not to listen asks nobody to notify it, so transactions may be prepared', async () => {
    const collector = new Collector();
    await scene.write(event('k', 0));
    scene.relay(collector, { pollMsMax: 50 }, scene.database({ listen: false }));
    await until(() => collector.got.length === 1, 'it is published');
    // Long enough to go to sleep, for one that listens.
    await sleep(1_000);
    const tx = scene.transaction();
    await tx.begin();
    await outbox(scene.database()).write(tx.client, event('k', 1));
    await tx.client.query("PREPARE TRANSACTION 'later'");
    await tx.client.query("COMMIT PREPARED 'later'");
    await tx.client.end();
    await until(() => collector.got.length === 2, 'it is found');
  });

  it('a relay that has something to do is not notified of more', async () => {
    await scene.write(event('k', 0));
    let answer = () => {};
    const collector = new Collector();
    const publishOne = (message: OutboxMessage) => {
      void collector.publishOne(message);
      return new Promise<void>((resolve) => {
        answer = resolve;
      });
    };
    const asleep = async () => (await scene.server.value('SELECT asleep FROM holdfast.outbox_relays')) as boolean;
    scene.relay({ publishOne }, { batch: 1 });
    await until(() => collector.got.length === 1, 'it has one');
    answer();
    await until(asleep, 'it sleeps', 5_000);
    await scene.write(...Array.from({ length: 20 }, (_, n) => event('k', n)));
    for (let got = 2; got < 8; got++) {
      await until(() => collector.got.length >= got, 'it has one more');
      // What it was handed at first, it was handed in its sleep.
      if (got > 3) expect(await asleep()).toBe(false);
      answer();
    }
    const answering = setInterval(() => answer(), 5);
    await scene.drained();
    clearInterval(answering);
  });

  it('a batch that is too much for the time of one turn is taken in smaller ones', async () => {
    const payload = 'x'.repeat(262_000);
    const box = outbox(scene.database());
    for (let n = 0; n < 3; n++) {
      const tx = scene.transaction();
      await tx.begin();
      await box.write(
        tx.client,
        Array.from({ length: 80 }, () => event(undefined, payload)),
      );
      await tx.end('COMMIT');
    }
    const got = new Set<string>();
    // A turn has a third of it.
    scene.relay({ publishOne: async ({ id }) => void got.add(id) }, { ttlMs: 1_000, batch: 240 });
    await scene.drained(0, 60_000);
    expect(got.size).toBe(240);
  }, 90_000);

  it('keys without events for long are forgotten, and their next sequence is higher', async () => {
    const functions = scene.database().functions(outboxDefinitions);
    const [old, fresh] = await scene.write(event('old', 1), event('fresh', 1));
    await scene.server.rows(
      "UPDATE holdfast.outbox_heads SET seq = seq - 8 * 86400 * 1000000::bigint, tail = tail - 8 * 86400 * 1000000::bigint WHERE key = 'old'",
    );
    // While anything as old waits, nothing is forgotten.
    await scene.server.rows("UPDATE holdfast.outbox_events SET written = written - interval '9 days' WHERE key = 'old'");
    expect(await functions.call('outbox_sweep', [0, 100], 'sweeping', 2_000)).toBe('0');
    const collector = new Collector();
    const started = scene.relay(collector);
    await scene.drained();
    await started.stop();
    expect(await functions.call('outbox_sweep', [0, 100], 'sweeping', 2_000)).toBe('1');
    expect(await scene.server.rows('SELECT key FROM holdfast.outbox_heads')).toEqual([{ key: 'fresh' }]);
    const [again] = await scene.write(event('old', 2));
    expect(again?.sequence).toBeGreaterThan(old?.sequence ?? 0n);
    expect(fresh?.sequence).toBeGreaterThan(0n);
    expect((await outbox(scene.database()).status()).waiting).toBe(1);
  });
});
