import assert from 'node:assert/strict';
import type { Ask, Backend } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import { granted, heldOf, refused, sleep, topic } from './helpers.js';
import { type Scene, show } from './scene.js';
import { dropReply, dropRequest, duplicate, type Faults, gate, holdRequest } from './wrappers.js';

/** Asks until it is granted; the time between the last no and the yes is as short as the store allows. */
async function askUntilGranted(store: Backend, ask: Ask, withinMs: number): Promise<void> {
  const endMs = performance.now() + withinMs;
  while ((await store.acquire(ask)).outcome !== 'granted') {
    assert.ok(performance.now() < endMs, `not granted within ${withinMs} ms`);
    await sleep(2);
  }
}

/** `count` owners ask for one name through three clients at the same moment. */
async function stampede(scene: Scene, count: number): Promise<Ask[]> {
  const name = scene.name();
  const stores = [scene.store, await scene.open(), await scene.open()];
  const asks = Array.from({ length: count }, () => scene.ask(name));
  const answers = await Promise.all(asks.map((ask, i) => (stores[i % 3] as Backend).acquire(ask)));
  return asks.filter((_, i) => answers[i]?.outcome === 'granted');
}

/** Store clocks may tick in whole milliseconds; core's own margin is larger (`limits.marginMs`). */
const granularityMs = 3;

export const acquire = topic('acquire', {
  'grants-a-free-name': async (scene) => {
    const ask = scene.ask(scene.name());
    const grant = granted(await scene.store.acquire(ask), 'a free name must be granted');
    assert.ok(grant.ttlMs > 0 && grant.ttlMs <= ask.ttlMs, 'no TTL beyond the one asked for');
    assert.equal((await scene.holders(ask.name)).length, 1);
    await scene.store.release(heldOf(ask));
  },

  'refuses-a-held-name-and-says-who': async (scene) => {
    const other = await scene.open();
    const holder = await scene.hold(scene.name());
    const no = refused(await other.acquire(scene.ask(holder.name)), 'a held name must be refused');
    assert.equal(no.because, 'held');
    assert.equal(no.ahead, 0);
    const who = no.holders.map((record) => [record.name, record.state, record.ownerDigest]);
    assert.deepEqual(who, [[holder.name.text, 'held', ownerDigest(holder.owner)]]);
    if (no.retryInMs !== undefined) assert.ok(no.retryInMs >= 0 && no.retryInMs <= holder.ttlMs);
    await scene.store.release(heldOf(holder));
  },

  'never-shows-an-owner': async (scene) => {
    const holder = await scene.hold(scene.name());
    const waiter = scene.ask(holder.name, { enqueue: true });
    const shown = show([await scene.store.acquire(waiter), await scene.records(holder.name)]);
    for (const { owner } of [holder, waiter]) assert.ok(!shown.includes(owner), 'the owner is a secret: show its digest');
    await scene.store.abandon(waiter);
    await scene.store.release(heldOf(holder));
  },

  'one-winner-among-many': async (scene) => {
    const winners = await stampede(scene, 30);
    assert.equal(winners.length, 1, 'exactly one of many simultaneous asks for a free name is granted');
    for (const ask of winners) await scene.store.release(heldOf(ask));
  },

  'same-owner-holds-once': async (scene) => {
    const other = await scene.open();
    const ask = scene.ask(scene.name());
    const first = granted(await scene.store.acquire(ask), 'a free name must be granted');
    const second = granted(await other.acquire({ ...ask, enqueue: true }), 'the same owner asking again is told the same');
    assert.deepEqual(second.fences, first.fences);
    assert.equal((await scene.records(ask.name)).length, 1, 'asking twice holds once and takes no place');
    assert.equal(await scene.store.release(heldOf(ask)), 'released');
    assert.equal(await scene.store.release(heldOf(ask)), 'absent', 'one release ends it');
  },

  'same-owner-may-ask-for-another-number-of-fences': async (scene) => {
    const ask = scene.ask(scene.name());
    const first = granted(await scene.store.acquire(ask), 'a free name must be granted');
    const again = { ...ask, fences: scene.traits.fencesPerGrant };
    const second = granted(await scene.store.acquire(again), 'the same owner asking again is told the same');
    assert.deepEqual(second.fences, first.fences, 'a grant is told again unchanged');
    await scene.store.release(heldOf(ask));
  },

  'same-owner-at-the-same-time-holds-once': async (scene) => {
    const other = await scene.open();
    const ask = scene.ask(scene.name());
    const asked = [scene.store, other].map((store) =>
      Promise.all([1, 2, 3].map(async () => granted(await store.acquire(ask), 'its own hold is no obstacle'))),
    );
    // Owners are made by the process that asks: no two of them ask under the same one, and are told so in the same words.
    for (const grants of await Promise.all(asked)) {
      assert.equal(new Set(grants.map((grant) => show(grant.fences))).size, 1, 'every answer tells the same fences');
    }
    assert.equal((await scene.records(ask.name)).length, 1);
    await scene.store.release(heldOf(ask));
  },

  'asking-again-renews-the-ttl': async (scene) => {
    const other = await scene.open();
    const ask = await scene.hold(scene.name(), { ttlMs: scene.steadyMs });
    await sleep(scene.steadyMs * 0.7);
    granted(await scene.store.acquire(ask), 'the same owner asking again is told the same');
    await sleep(scene.steadyMs * 0.6);
    refused(await other.acquire(scene.ask(ask.name)), 'a grant told again has a fresh TTL');
    await scene.store.release(heldOf(ask));
  },

  'nobody-behind-others-is-hurried': async (scene) => {
    const holder = await scene.hold(scene.name());
    const next = await scene.wait(holder.name);
    const behind = scene.ask(holder.name, { enqueue: true });
    const { retryInMs } = refused(await scene.store.acquire(behind), 'a held name must be refused');
    const hurries = retryInMs !== undefined && retryInMs <= limits.retryMsMin;
    assert.ok(!hurries, `whoever waits behind a long lease would ask again every ${limits.retryMsMin} ms`);
    for (const waiter of [behind, next]) await scene.store.abandon(waiter);
    await scene.store.release(heldOf(holder));
  },

  'not-enqueued-leaves-no-place': async (scene) => {
    const holder = await scene.hold(scene.name());
    refused(await scene.store.acquire(scene.ask(holder.name)), 'a held name must be refused');
    assert.equal((await scene.records(holder.name)).length, 1, 'an ask that does not wait takes no place');
    await scene.store.release(heldOf(holder));
  },

  'not-grantable-before-the-ttl-and-soon-after': async (scene) => {
    const other = await scene.open();
    const sentAtMs = performance.now();
    const first = await scene.hold(scene.name(), { ttlMs: scene.shortMs });
    const next = scene.ask(first.name);
    await askUntilGranted(other, next, scene.shortMs + scene.graceMs);
    const passedMs = performance.now() - sentAtMs;
    assert.ok(passedMs >= scene.shortMs - granularityMs, `a TTL of ${scene.shortMs} ms was over after ${passedMs} ms`);
    await other.release(heldOf(next));
  },

  'stale-holder-gets-no-fence': async (scene) => {
    const other = await scene.open();
    const stale = await scene.hold(scene.name(), { ttlMs: scene.shortMs });
    await scene.expiry(stale);
    const current = await scene.hold(stale.name, {}, other);
    refused(await scene.store.acquire(stale), 'asking again is no way back into a lock that somebody else has');
    await other.release(heldOf(current));
  },

  'lost-reply-is-asked-for-again': async (scene) => {
    const locks = await scene.holdfast({}, { acquire: dropReply(2) });
    const name = scene.name();
    await locks.request(name.text, async () => {
      assert.equal((await scene.records(name)).length, 1, 'one hold only, however many answers were lost');
    });
    assert.deepEqual(await scene.records(name), [], 'one release ends it');
  },

  'lost-request-is-sent-again': async (scene) => {
    const locks = await scene.holdfast({}, { acquire: dropRequest(2) });
    const name = scene.name();
    await locks.request(name.text, async () => {
      assert.equal((await scene.records(name)).length, 1);
    });
  },

  'late-copy-of-the-ask-leaves-nothing': async (scene) => {
    const late = gate();
    const arrived = gate();
    let tries = 0;
    const first = holdRequest<Parameters<Backend['acquire']>, Awaited<ReturnType<Backend['acquire']>>>(late, arrived.open);
    const slow: Faults = { acquire: (call, ask) => (tries++ === 0 ? first(call, ask) : call(ask)) };
    const locks = await scene.holdfast({ callTimeoutMs: 100 }, slow);
    const name = scene.name();
    await locks.request(name.text, () => {});
    // The first try, which was given up for lost, arrives when the lock has come and gone.
    late.open();
    await arrived.opened;
    await scene.gone(name, scene.graceMs, 'a copy of an ask that arrives after the release must leave no orphan');
  },

  'every-command-may-arrive-twice': async (scene) => {
    const twice = { acquire: duplicate(), renew: duplicate(), release: duplicate(), abandon: duplicate(), revoke: duplicate() };
    const locks = await scene.holdfast({ ttlMs: scene.steadyMs }, twice as Faults);
    const name = scene.name();
    for (const steal of [false, true]) {
      await locks.request(name.text, { steal }, async (lease) => {
        await sleep(scene.steadyMs);
        lease?.assertHeld();
        assert.equal((await scene.records(name)).length, 1);
      });
    }
  },
});
