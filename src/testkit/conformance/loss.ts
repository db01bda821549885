import assert from 'node:assert/strict';
import type { Ask, Backend } from '../../core/backend.js';
import type { Holdfast } from '../../core/holdfast.js';
import type { Lease } from '../../core/lease.js';
import type { LockName } from '../../core/name.js';
import { eventually, heldOf, lossOf, rejection, sleep, topic } from './helpers.js';
import type { Scene } from './scene.js';
import { dropReply, dropRequest, type Faults, gate, holdReply } from './wrappers.js';

interface Doomed {
  readonly name: LockName;
  /** What the store knows it by. */
  readonly ask: Ask;
  readonly lease: Lease;
  readonly locks: Holdfast;
  /** What the request rejects with. */
  readonly error: Promise<unknown>;
}

/** A running callback whose hold is going to be lost; it runs until its signal aborts. */
async function doomed(scene: Scene, ttlMs: number, faults: Faults = {}, maxHoldMs?: number): Promise<Doomed> {
  const asks: Ask[] = [];
  const spying: Faults = {
    ...faults,
    acquire: (call, ask) => {
      asks.push(ask);
      return call(ask);
    },
  };
  const locks = await scene.holdfast({ ttlMs }, spying);
  const name = scene.name();
  const started = deferred<Lease>();
  const options = maxHoldMs === undefined ? {} : { maxHoldMs };
  const turn = locks.request(name.text, options, async (lease) => {
    assert.ok(lease);
    started.resolve(lease);
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
  });
  const error = rejection(turn, 'a request whose lock was lost must reject');
  const lease = await started.promise;
  return { name, ask: asks.at(-1) as Ask, lease, locks, error };
}

/** The end that the specification prescribes: AbortError, with ours as its cause and as the signal's reason. */
async function assertLost({ lease, error }: Doomed, loss: string): Promise<void> {
  const thrown = (await error) as DOMException;
  assert.equal(thrown.name, 'AbortError');
  assert.equal(lossOf(thrown.cause), loss);
  assertOver(lease, loss);
}

function assertOver(lease: Lease, loss: string): void {
  assert.equal(lease.signal.aborted, true);
  assert.equal(lossOf(lease.signal.reason), loss, 'the reason of the signal is the same loss');
  for (const touch of [() => lease.fence, () => lease.assertHeld()]) {
    assert.throws(touch, (error) => lossOf(error) === loss, 'a lost lease shows no fence');
  }
  assert.equal(lease.remainingMs, 0);
}

function deferred<T>() {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value: T) => resolve(value) };
}

function blockThread(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

/** The request's hold, released behind its back. */
async function withdraw(store: Backend, ask: Ask): Promise<void> {
  assert.equal(await store.release(heldOf(ask)), 'released');
}

export const loss = topic('loss', {
  'revoked-is-told': async (scene) => {
    const victim = await doomed(scene, scene.steadyMs);
    const admin = await scene.holdfast();
    await admin.revoke(victim.name.text, { reason: 'a test' });
    await assertLost(victim, 'revoked');
  },

  'stolen-is-told': async (scene) => {
    const victim = await doomed(scene, scene.steadyMs);
    const thief = await scene.holdfast();
    await thief.request(victim.name.text, { steal: true }, async () => {
      await assertLost(victim, 'stolen');
    });
  },

  'forgotten-is-told': async (scene) => {
    const victim = await doomed(scene, scene.steadyMs);
    await withdraw(scene.store, victim.ask);
    await assertLost(victim, 'forgotten');
  },

  'overdue-is-told-and-released': async (scene) => {
    const victim = await doomed(scene, scene.longMs, {}, 100);
    await assertLost(victim, 'overdue');
  },

  'unanswered-renewals-end-at-the-deadline': async (scene) => {
    const victim = await doomed(scene, scene.shortMs, { renew: holdReply(gate()) });
    await assertLost(victim, 'expired');
  },

  'late-yes-revives-nothing': async (scene) => {
    const late = gate();
    const victim = await doomed(scene, scene.shortMs, { renew: holdReply(late) });
    await assertLost(victim, 'expired');
    late.open();
    await sleep(50);
    assertOver(victim.lease, 'expired');
  },

  'failed-renewals-are-tried-again': async (scene) => {
    for (const renew of [dropRequest<never, never>(2), dropReply<never, never>(2)]) {
      const locks = await scene.holdfast({ ttlMs: scene.steadyMs }, { renew: renew as never });
      await locks.request(scene.name().text, async (lease) => {
        await sleep(scene.steadyMs * 2);
        lease?.assertHeld();
      });
    }
  },

  'loser-knows-before-its-successor-starts': async (scene) => {
    const victim = await doomed(scene, scene.shortMs, { renew: dropRequest(Number.POSITIVE_INFINITY) });
    const successor = await scene.holdfast();
    await successor.request(victim.name.text, () => {
      assert.equal(victim.lease.signal.aborted, true, 'two callbacks must never both believe in their lease');
    });
    await assertLost(victim, 'expired');
  },

  'process-that-stood-still-finds-no-fence': {
    alone: true,
    run: async (scene) => {
      const locks = await scene.holdfast({ ttlMs: scene.shortMs });
      const turn = locks.request(scene.name().text, async (lease) => {
        assert.ok(lease);
        assert.equal(typeof lease.fence, 'bigint');
        blockThread(scene.shortMs * 1.5);
        assert.throws(
          () => lease.fence,
          (error) => lossOf(error) === 'expired',
          'the first touch reads the clock',
        );
        assertOver(lease, 'expired');
      });
      const error = (await rejection(turn, 'a request whose lock was lost must reject')) as DOMException;
      assert.equal(error.name, 'AbortError');
      assert.equal(lossOf(error.cause), 'expired');
    },
  },

  'release-of-a-lost-lease-is-a-result': async (scene) => {
    const locks = await scene.holdfast({ ttlMs: scene.shortMs }, { renew: holdReply(gate()) });
    const lease = await locks.acquire(scene.name().text);
    await new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    const outcome = await lease.release();
    assert.ok(['released', 'absent', 'not-owner', 'unknown'].includes(outcome), outcome);
    assert.equal(await lease.release(), outcome, 'a second call answers like the first');
  },

  'unanswered-release-is-tried-again': async (scene) => {
    for (const release of [dropReply<never, never>(2), dropRequest<never, never>(2)]) {
      const locks = await scene.holdfast({}, { release: release as never });
      const lease = await locks.acquire(scene.name().text);
      assert.equal(await lease.release(), 'unknown', 'no answer is neither yes nor no');
      const gone = async () => assert.deepEqual(await scene.records(scene.name()), [], 'it is tried again long before the TTL');
      await eventually(gone, scene.graceMs + 3_000);
    }
  },

  'failed-release-hides-no-error': async (scene) => {
    const locks = await scene.holdfast({}, { release: dropRequest(2) });
    const own = new Error('of the callback');
    const turn = locks.request(scene.name().text, () => {
      throw own;
    });
    assert.equal(await rejection(turn, 'it must reject'), own);
  },
});
