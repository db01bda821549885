import { describe, expect, it } from 'vitest';
import { RedlockBackend } from '../../src/backends/redlock/backend.js';
import type { Ballot, Node } from '../../src/backends/redlock/node.js';
import { type Ports, systemPorts } from '../../src/core/clock.js';
import { ask, heldOf } from '../support/asks.js';

const settings = { maxTtlMs: 60_000, newNodes: 'trust' } as const;
const standing = () => ({ nowUs: Date.now() * 1_000, state: 'votes', votesInMs: 0 }) as const;

/** A node that says yes to everything, unless told otherwise; writes down what it is asked. */
function yesNode(name: string, calls: string[], over: Partial<Node> = {}): Node {
  return {
    name,
    join: async () => ({ ...standing(), incarnation: name }),
    vote: async ({ proposal }: Ballot) => {
      calls.push(`${name} vote`);
      const fence = BigInt(Math.floor(proposal));
      return { ...standing(), vote: { outcome: 'yes', first: fence, last: fence, ended: [] } };
    },
    confirm: async () => ({ ...standing(), outcome: 'confirmed' }),
    renew: async (holds) => ({ ...standing(), renewals: holds.map(() => ({ outcome: 'renewed' })) }),
    copy: async () => undefined,
    repair: async () => ({ ...standing(), repaired: true }),
    release: async () => 'released',
    abandon: async () => void calls.push(`${name} abandon`),
    roundOf: async () => undefined,
    holderOf: async () => undefined,
    revoke: async () => [],
    read: async () => [],
    list: async () => [],
    examine: async () => ({ node: name, others: [], votesInMs: 0 }),
    watch: () => () => {},
    probe: async () => ({ findings: [], votesInMs: 0 }),
    close: () => {},
    ...over,
  };
}

/** A promise that the test settles. (`Promise.withResolvers` is younger than the oldest Node that is supported.) */
function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

/** Promises that nobody waits for have gone on. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('the protocol, on nodes of the test', () => {
  it('gives a grant back that is nearly over when it is complete', async () => {
    const calls: string[] = [];
    const slow = (name: string) => {
      const node = yesNode(name, calls);
      const vote: Node['vote'] = (ballot, incarnation) => {
        for (const endMs = performance.now() + 200; performance.now() < endMs; );
        return node.vote(ballot, incarnation);
      };
      return { ...node, vote };
    };
    const store = new RedlockBackend(['a', 'b', 'c'].map(slow), settings);
    await expect(store.acquire(ask('x', { ttlMs: 1_000 }))).rejects.toThrow(/too much of its TTL of 1000 ms/);
    await settled();
    expect(calls.filter((call) => call.endsWith('abandon')).sort()).toEqual(['a abandon', 'b abandon', 'c abandon']);
    await store.close();
  });

  it('settles without nodes that never settle', async () => {
    const never = () => new Promise<never>(() => {});
    const dead: Partial<Node> = { join: never, vote: never, renew: never, release: never, abandon: never };
    const store = new RedlockBackend([yesNode('a', []), yesNode('b', []), yesNode('c', [], dead)], settings);
    const one = ask('x');
    expect(await store.acquire(one)).toMatchObject({ outcome: 'granted' });
    expect(await store.renew([heldOf(one)])).toMatchObject([{ outcome: 'renewed' }]);
    expect(await store.release(heldOf(one))).toBe('released');
    await store.close();
    const most = new RedlockBackend([yesNode('a', []), yesNode('b', [], dead), yesNode('c', [], dead)], settings);
    await expect(most.acquire(ask('x', { ttlMs: 1_000 }))).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect(most.release(heldOf(one))).rejects.toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    await most.close();
  });

  it('takes back, round by round, what silent nodes may have voted', async () => {
    const rounds: (number | undefined)[] = [];
    const voted: number[] = [];
    const silent: Partial<Node> = {
      vote: ({ round }: Ballot) => {
        voted.push(round);
        return new Promise<never>(() => {});
      },
      abandon: async (_name, _owner, round) => void rounds.push(round),
    };
    const store = new RedlockBackend([yesNode('a', []), yesNode('b', [], silent), yesNode('c', [], silent)], settings);
    const one = ask('x', { ttlMs: 1_000 });
    for (let i = 0; i < 2; i++) await expect(store.acquire(one)).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
    await expect.poll(() => rounds.length).toBeGreaterThanOrEqual(4);
    expect(new Set(rounds)).toEqual(new Set(voted));
    await store.close();
  });

  it('agrees on a vote that comes while lower fences are being written back: another may have been granted them in between', async () => {
    const yes = (first: bigint) => ({ ...standing(), vote: { outcome: 'yes', first, last: first, ended: [] } }) as const;
    const lost = withResolvers<{ readonly outcome: 'absent' }>();
    const late = withResolvers<ReturnType<typeof yes>>();
    const nodes: Partial<Node>[] = [
      { vote: async () => yes(20n) },
      { vote: async () => yes(10n), confirm: async () => ({ ...standing(), ...(await lost.promise) }) },
      { vote: () => late.promise },
    ];
    const store = new RedlockBackend(
      nodes.map((over, i) => yesNode(`n${i}`, [], over)),
      settings,
    );
    const answer = store.acquire(ask('x'));
    await settled();
    late.resolve(yes(30n));
    await settled();
    lost.resolve({ outcome: 'absent' });
    expect(await answer).toMatchObject({ outcome: 'granted', fences: { first: 30n } });
    await store.close();
  });

  it('lets no theft that was tried again overtake what the later try was granted', async () => {
    const looks = [withResolvers<number>(), withResolvers<number>()];
    const rounds: number[] = [];
    let looked = 0;
    const over: Partial<Node> = {
      roundOf: () => looks[Math.floor(looked++ / 3)]?.promise ?? Promise.resolve(0),
      vote: async ({ round, proposal }: Ballot) => {
        rounds.push(round);
        const fence = BigInt(Math.floor(proposal));
        return { ...standing(), vote: { outcome: 'yes', first: fence, last: fence, ended: [] } };
      },
    };
    const store = new RedlockBackend(
      ['a', 'b', 'c'].map((name) => yesNode(name, [], over)),
      settings,
    );
    const heir = ask('x');
    const by = { kind: 'stolen', reason: 'a test', node: heir.node, heir } as const;
    const tries = [store.revoke(heir.name, by), store.revoke(heir.name, by)];
    looks[1]?.resolve(0);
    const later = await tries[1];
    looks[0]?.resolve(0);
    expect((await tries[0])?.grant?.fences).toEqual(later?.grant?.fences);
    expect(new Set(rounds).size).toBe(1);
    await store.close();
  });

  it('calls no node silent that has answered what was asked later', async () => {
    const lost = withResolvers<never>();
    let votes = 0;
    const released: string[] = [];
    const over: Partial<Node> = {
      vote: ({ proposal }: Ballot) => {
        votes += 1;
        const fence = BigInt(Math.floor(proposal));
        const vote = { outcome: 'yes', first: fence, last: fence, ended: [] } as const;
        return votes === 1 ? lost.promise : Promise.resolve({ ...standing(), vote });
      },
      release: async () => {
        released.push('c');
        return 'released';
      },
    };
    const store = new RedlockBackend([yesNode('a', []), yesNode('b', []), yesNode('c', [], over)], settings);
    const [first, second] = [ask('x', { ttlMs: 1_000 }), ask('y', { ttlMs: 1_000 })];
    await store.acquire(first);
    await store.acquire(second);
    await expect.poll(() => votes, { timeout: 5_000 }).toBe(2);
    // The reply that was lost is given up by then.
    await new Promise((resolve) => setTimeout(resolve, 700));
    await store.release(heldOf(second));
    expect(released).toEqual(['c']);
    await store.close();
  });

  it('settles at once where an answer cannot be read', async () => {
    const broken: Partial<Node> = { vote: async () => undefined as never };
    const store = new RedlockBackend(
      ['a', 'b', 'c'].map((name) => yesNode(name, [], broken)),
      settings,
    );
    await expect(store.acquire(ask('x'))).rejects.toThrow(/undefined/);
    await store.close();
  });

  describe('closing', () => {
    const system = systemPorts();
    // Nothing times out before what the test settles.
    const patient: Ports = { ...system, timer: (delayMs, fn, idle) => system.timer(100 * delayMs, fn, idle) };

    it('waits for a vote that comes now to be taken back', async () => {
      const { promise: late, resolve: vote } = withResolvers<void>();
      const { promise: told, resolve: confirm } = withResolvers<void>();
      const calls: string[] = [];
      const held: Partial<Node> = { vote: async () => ({ ...standing(), vote: { outcome: 'ended' } }) };
      const c = yesNode('c', calls);
      const slow: Node = {
        ...c,
        vote: async (ballot, incarnation) => {
          await late;
          return c.vote(ballot, incarnation);
        },
        abandon: async () => {
          calls.push('c abandon');
          await told;
        },
      };
      const store = new RedlockBackend([yesNode('a', [], held), yesNode('b', [], held), slow], settings, patient);
      expect(await store.acquire(ask('x'))).toMatchObject({ outcome: 'refused' });
      const closed = store.close().then(() => calls.push('closed'));
      vote();
      await settled();
      expect(calls).toEqual(['c vote', 'c abandon']);
      confirm();
      await closed;
    });

    it('tells nodes once more what they are still owed', async () => {
      const told: string[] = [];
      const away = new Error('the connection was reset');
      const over: Partial<Node> = {
        release: () => Promise.reject(away),
        abandon: async (name) => void told.push(name.text),
      };
      const store = new RedlockBackend([yesNode('a', []), yesNode('b', []), yesNode('c', [], over)], settings, patient);
      const asks = Array.from({ length: 40 }, (_, i) => ask(`x${i}`));
      for (const one of asks) await store.acquire(one);
      await Promise.all(asks.map((one) => store.release(heldOf(one))));
      await settled();
      expect(told).toEqual([]);
      await store.close();
      expect(told.sort()).toEqual(asks.map(({ name }) => name.text).sort());
    });
  });
});
