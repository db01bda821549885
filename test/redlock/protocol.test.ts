import { describe, expect, it } from 'vitest';
import { RedlockBackend } from '../../src/backends/redlock/backend.js';
import type { Ballot, Node } from '../../src/backends/redlock/node.js';
import { ask, heldOf } from '../redis/support.js';

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
    revoke: async () => [],
    list: async () => [],
    watch: () => () => {},
    probe: async () => ({ findings: [], votesInMs: 0 }),
    close: () => {},
    ...over,
  };
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
});
