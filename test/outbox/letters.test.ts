import { describe, expect, it } from 'vitest';
import { httpPublisher, inbox, type OutboxMessage, outbox, type RelayEvent, UnpublishableError } from '../../src/outbox/index.js';
import { FaultProxy } from '../../src/testkit/faults/proxy.js';
import { freePort } from '../support/free-port.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { until } from '../support/waits.js';
import { Collector, event, Scene } from './support/scene.js';

describe.skipIf(postgresIsMissing)('what cannot be published', () => {
  const scene = new Scene();
  const box = () => outbox(scene.database());

  /** Everything under a key, in the order in which it arrived, through an inbox. */
  async function taken(messages: readonly OutboxMessage[]): Promise<readonly (readonly [unknown, string])[]> {
    const [tx, box] = [scene.transaction(), inbox(scene.database(), { consumer: 'test' })];
    await tx.begin();
    const outcomes: (readonly [unknown, string])[] = [];
    for (const message of messages) outcomes.push([message.payload, (await box.accept(tx.client, message)).outcome]);
    await tx.end('COMMIT');
    return outcomes;
  }

  it('holds up its own key alone, and comes in its place', async () => {
    let broken = true;
    const events: RelayEvent[] = [];
    const collector = new Collector(({ payload }) => (broken && payload === 'bad' ? new Error('not now') : undefined));
    await scene.write(event('k', 1), event('k', 'bad'), event('k', 2), event(undefined, 'alone'));
    scene.relay(collector, { observe: (one) => events.push(one) });
    await until(() => events.filter(({ type }) => type === 'failed').length >= 2, 'it was tried twice');
    for (let n = 0; n < 50; n++) await scene.write(event(`other ${n}`, n), event('k', 3 + n));
    await until(() => collector.got.length === 52, 'the others are published');
    expect(collector.payloads('k')).toEqual([1]);
    const status = await box().status();
    expect(status).toMatchObject({ retrying: 1, dead: 0, relays: 1, unclaimed: 0 });
    expect(status.letters).toMatchObject([{ key: 'k', dead: false, error: 'Error: not now', type: 'test' }]);
    broken = false;
    await scene.drained();
    expect(collector.payloads('k')).toEqual([1, 'bad', 2, ...Array.from({ length: 50 }, (_, n) => 3 + n)]);
    expect((await taken(collector.got)).filter(([, outcome]) => outcome !== 'taken')).toEqual([]);
  });

  it('is a dead letter after so many tries, keeps its place, and is tried again when somebody says so', async () => {
    let broken = true;
    const collector = new Collector(({ payload }) => (broken && payload === 'bad' ? new Error('never') : undefined));
    const dead: RelayEvent[] = [];
    const [written] = await scene.write(event('k', 'bad'), event('k', 'behind'), event('other', 0));
    scene.relay(collector, { attemptsMax: 2, observe: (one) => one.type === 'dead' && dead.push(one) });
    await until(async () => (await box().status()).dead === 1, 'it is dead');
    await scene.write(event('k', 'later'), event('other', 1));
    await until(() => collector.payloads('other').length === 2, 'others go on');
    const { letters, blocked } = await box().status();
    expect(letters).toMatchObject([{ id: written?.id, dead: true, attempts: 2, dueInMs: undefined, blocks: 2 }]);
    expect([blocked, dead.length, collector.payloads('k')]).toEqual([2, 1, []]);
    broken = false;
    expect(await box().retry(['00000000-0000-4000-8000-000000000000'])).toEqual([]);
    expect(await box().retry()).toEqual([written?.id]);
    await scene.drained();
    expect(collector.payloads('k')).toEqual(['bad', 'behind', 'later']);
  });

  it.each(['first', 'middle', 'last', 'only'])('a dead letter that is discarded (%s) leaves no hole', async (where) => {
    const bad = event('k', 'bad');
    const before = where === 'first' || where === 'only' ? [] : [event('k', 1), event('k', 2)];
    const behind = where === 'last' || where === 'only' ? [] : [event('k', 3), event('k', 4)];
    const collector = new Collector(({ payload }) => (payload === 'bad' ? new UnpublishableError('too large') : undefined));
    const written = await scene.write(...before, bad, ...behind);
    const id = written[before.length]?.id ?? '';
    scene.relay(collector);
    await until(async () => (await box().status()).dead === 1, 'it is dead at once');
    expect(await box().discard(id)).toMatchObject({
      id,
      key: 'k',
      payload: 'bad',
      attempts: 1,
      error: 'UnpublishableError: too large',
    });
    expect(await box().discard('00000000-0000-4000-8000-000000000000')).toBeUndefined();
    await scene.write(event('k', 'next'));
    await scene.drained();
    const payloads = [...before, ...behind].map(({ payload }) => payload);
    expect(collector.payloads('k')).toEqual([...payloads, 'next']);
    expect((await taken(collector.got)).map(([, outcome]) => outcome)).toEqual(collector.got.map(() => 'taken'));
  });

  it('is answered all the same when the first answer is lost', async () => {
    const proxy = await FaultProxy.start(scene.server.port);
    const [written] = await scene.write(event('k', 'bad'));
    scene.relay(new Collector(() => new UnpublishableError('never')));
    await until(async () => (await box().status()).dead === 1, 'it is dead');
    const url = new URL(scene.server.url);
    url.port = String(proxy.port);
    const lost = proxy.once('outbox_discard', 'lose-reply');
    const gone = await outbox(scene.database({ listen: false }, String(url))).discard(written?.id ?? '');
    await lost;
    expect(gone).toMatchObject({ id: written?.id, payload: 'bad' });
    expect(await box().discard(written?.id ?? '')).toEqual(gone);
    await proxy.close();
  });

  it('may be discarded while a writer of its key is under way', async () => {
    const collector = new Collector(({ payload }) => (payload === 'bad' ? new UnpublishableError('no') : undefined));
    const [written] = await scene.write(event('k', 'bad'));
    scene.relay(collector);
    await until(async () => (await box().status()).dead === 1, 'it is dead');
    const tx = scene.transaction();
    await tx.begin();
    await box().write(tx.client, event('k', 'under way'));
    const discarding = box().discard(written?.id ?? '');
    await until(
      async () => (await scene.server.value("SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) === 1,
      'it waits for the writer',
    );
    await tx.end('COMMIT');
    await discarding;
    await scene.drained();
    expect(collector.got).toMatchObject([{ payload: 'under way', after: 0n }]);
  });

  it('a receiver that is slow for one key holds up no other, and is not asked twice', async () => {
    const [fast, slow]: [OutboxMessage[], OutboxMessage[]] = [[], []];
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await scene.write(event('slow', 1), event('slow', 2));
    const publishOne = async (message: OutboxMessage) => {
      if (message.key !== 'slow') return void fast.push(message);
      slow.push(message);
      await answered;
    };
    // Its time is a third of the TTL: it must not be over before the others are through.
    scene.relay({ publishOne, concurrency: 2 }, { ttlMs: 60_000 });
    await until(() => slow.length === 1, 'it is sent');
    for (let n = 0; n < 20; n++) {
      await scene.write(event('fast', n));
      await until(() => fast.length === n + 1, 'the others go on');
    }
    expect(slow).toHaveLength(1);
    answer();
    await scene.drained();
    expect(slow.map(({ payload }) => payload)).toEqual([1, 2]);
  });

  it('of a batch, what failed and what is behind it in its key come again', async () => {
    const batches: (readonly unknown[])[] = [];
    let broken = true;
    await scene.write(event('a', 1), event('b', 1), event('a', 2), event('b', 2));
    scene.relay({
      publishBatch: async (messages) => {
        batches.push(messages.map(({ key, payload }) => `${key}${payload}`));
        const results = messages.map(({ key, payload }) =>
          broken && key === 'a' && payload === 1 ? new Error('no') : undefined,
        );
        broken = false;
        return results;
      },
    });
    await scene.drained();
    expect(batches.flat().sort()).toEqual(['a1', 'a1', 'a2', 'a2', 'b1', 'b2']);
    const inA = batches.flat().filter((one) => String(one).startsWith('a'));
    expect(inA).toEqual(['a1', 'a2', 'a1', 'a2']);
  });

  it('a publisher that answers too few results has said nothing of any of them', async () => {
    const [failed, got]: [RelayEvent[], OutboxMessage[]] = [[], []];
    const publishBatch = async (messages: readonly OutboxMessage[]) => {
      // The errors alone, as somebody might write it.
      if (failed.length === 0) return [];
      got.push(...messages);
      return undefined;
    };
    await scene.write(event('a', 1), event('b', 2));
    scene.relay({ publishBatch }, { observe: (one) => one.type === 'failed' && failed.push(one) });
    await scene.drained();
    expect(got.map(({ payload }) => payload).sort()).toEqual([1, 2]);
    expect(String((failed[0] as { error?: unknown }).error)).toContain('0 results for 2 messages');
  });

  it('a receiver that is away is told of in words', async () => {
    const publisher = httpPublisher({ url: `http://127.0.0.1:${await freePort()}/events` });
    await scene.write(event('k', 1));
    const relay = scene.relay(publisher);
    await until(async () => (await box().status()).retrying === 1, 'it failed');
    expect((await box().status()).letters[0]?.error).toContain('ECONNREFUSED');
    await relay.stop();
  });

  it('a publisher that never answers, and one that throws at once, are failures in time', async () => {
    const errors: unknown[] = [];
    await scene.write(event('hangs', 1), event('throws', 1));
    const publishOne = ({ key }: OutboxMessage): Promise<void> => {
      if (key === 'throws') throw new Error('at once');
      return new Promise(() => {});
    };
    scene.relay(
      { publishOne },
      {
        ttlMs: 1_500,
        publishTimeoutMs: 300,
        observe: (one) => one.type === 'failed' && errors.push((one.error as Error).message),
      },
    );
    await until(() => new Set(errors).size === 2, 'both have failed');
    expect([...new Set(errors)].sort()).toEqual(['at once', 'its time was over']);
  });
});
