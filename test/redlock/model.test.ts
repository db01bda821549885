import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { driverOf } from '../../src/backends/redis/drivers/shape.js';
import type { Ballot, Node } from '../../src/backends/redlock/node.js';
import { parseOptions } from '../../src/backends/redlock/options.js';
import { RedisNode } from '../../src/backends/redlock/redis/node.js';
import type { LockRecord } from '../../src/core/backend.js';
import { parseName } from '../../src/core/name.js';
import { VirtualNode } from '../../src/testkit/sim/quorum/virtual-node.js';
import { integer, pick } from '../../src/testkit/sim/rng.js';
import { clients } from '../support/redis-clients.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

const names = ['a', 'b'].map(parseName);
const owners = ['owner-1', 'owner-2', 'owner-3'];
const longMs = 60_000;
const shortMs = 40;
/** Both nodes are asked within much less of it, also on a busy machine. */
const graceMs = 1_000;
const node = { host: 'h', pid: 1, bootId: '', startedAt: '', nonce: '' };
const by = { kind: 'stolen', reason: 'because' } as const;

/** The methods that both have, one with promises and one without. */
type Either = {
  [K in
    | 'vote'
    | 'confirm'
    | 'roundOf'
    | 'holderOf'
    | 'renew'
    | 'copy'
    | 'release'
    | 'abandon'
    | 'revoke'
    | 'read'
    | 'list']: Node[K];
} & Pick<Node, 'repair'>;

/** What the two must agree on: all but times, and records as far as a node decides about them. */
function seen(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(seen);
  if (typeof value !== 'object' || value === null) return value;
  if ('ownerDigest' in value) {
    const { name, ownerDigest, fence, mode, state } = value as LockRecord;
    return { name, ownerDigest, fence, mode, state };
  }
  const kept = Object.entries(value).filter(([key]) => !['nowUs', 'votesInMs', 'leftMs', 'text', 'incarnation'].includes(key));
  return Object.fromEntries(kept.map(([key, it]) => [key, seen(it)]));
}

describe.skipIf(redisIsMissing)('the node of the simulator', () => {
  let server: RedisServer;
  let real: RedisNode;
  let end = () => {};
  beforeAll(async () => {
    server = await RedisServer.start();
    const opened = await clients['ioredis 5']?.(server.url);
    if (opened === undefined) throw new Error('no client');
    end = opened.end;
    real = new RedisNode('real', driverOf(opened.client), parseOptions({ maxTtlMs: 1_000 }));
  });
  afterAll(async () => {
    real.close();
    end();
    await server.stop();
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`answers as a real one does (seed ${seed})`, async () => {
      await server.command('FLUSHALL');
      await new Walk(seed, server, real).go(160);
    }, 60_000);
  }

  it.each([
    { title: 'a little late, where a fence is known', lateMs: 300, known: true, follows: true },
    { title: 'too late', lateMs: 1_500, known: true, follows: false },
    { title: 'late, where no fence is known', lateMs: 50, known: false, follows: false },
  ])('a proposal that is $title is followed: $follows', async ({ lateMs, known, follows }) => {
    await server.command('FLUSHALL');
    const terms = { graceMs: 60_000, trustNew: true };
    const { incarnation } = await real.join(terms);
    const model = new VirtualNode({ nowUs: () => Date.now() * 1_000, durable: false, publish: () => false }, incarnation);
    model.join(terms);
    const lock = { name: parseName('a'), owner: 'owner-1', mode: 'exclusive', ttlMs: longMs, fences: 1, enqueue: false } as const;
    const ask = { ...lock, node, metadata: {} };
    if (known) {
      const earlier = { ask: { ...ask, owner: 'owner-2' }, round: 1, proposal: 0 };
      expect(await real.vote(earlier, incarnation)).toMatchObject({ vote: { outcome: 'yes' } });
      expect(model.vote(earlier, incarnation, '')).toMatchObject({ vote: { outcome: 'yes' } });
      for (const either of [real, model]) await either.release(earlier.ask);
      await sleep(lateMs + 300);
    }
    const proposal = (Date.now() - lateMs) * 1_000;
    const ballot = { ask, round: 1, proposal };
    for (const { vote } of [await real.vote(ballot, incarnation), model.vote(ballot, incarnation, '')]) {
      const first = vote?.outcome === 'yes' ? vote.first : undefined;
      if (follows) expect(first).toBe(BigInt(proposal));
      else expect(first).toBeGreaterThan(BigInt(proposal));
    }
  });
});

/** One random sequence of requests, made to both; each answer is compared. */
class Walk {
  readonly #seed: number;
  readonly #server: RedisServer;
  readonly #real: RedisNode;
  readonly #virtual: VirtualNode;
  #incarnation = '';
  #channel = '';
  #round = 0;

  constructor(seed: number, server: RedisServer, real: RedisNode) {
    this.#seed = seed;
    this.#server = server;
    this.#real = real;
    this.#virtual = new VirtualNode({ nowUs: () => Date.now() * 1_000, durable: false, publish: () => false }, '');
  }

  async go(steps: number): Promise<void> {
    await this.#join(true);
    for (let step = 0; step < steps; step++) await this.#step(step);
  }

  async #join(isNew: boolean): Promise<void> {
    const terms = { graceMs, trustNew: isNew };
    const joined = await this.#real.join(terms);
    if (joined.incarnation !== this.#incarnation)
      this.#virtual.restart(joined.incarnation, { past: undefined, cells: new Map() });
    this.#incarnation = joined.incarnation;
    expect(seen(this.#virtual.join(terms))).toEqual(seen(joined));
  }

  async #step(step: number): Promise<void> {
    const choose = <T>(from: readonly T[], site: string) => pick({ seed: this.#seed }, from, site, '', step);
    const name = choose(names, 'name');
    const owner = choose(owners, 'owner');
    const held = { name, owner, mode: 'exclusive', ttlMs: longMs } as const;
    // An old incarnation is a stranger.
    const incarnation = choose([this.#incarnation, this.#incarnation, this.#incarnation, '0'.repeat(40)], 'incarnation');
    const round = choose([this.#round, this.#round, Math.max(0, this.#round - 2)], 'round');
    const sort = choose(
      [
        'vote',
        'vote',
        'vote',
        'vote',
        'rob',
        'confirm',
        'renew',
        'release',
        'abandon',
        'all',
        'revoke',
        'mend',
        'list',
        'crash',
        'forgive',
        'forgive',
      ],
      'sort',
    );
    switch (sort) {
      case 'vote':
      case 'rob':
        return this.#vote(step, { name, owner, sort, incarnation });
      case 'confirm': {
        const first = BigInt(Date.now() + 5_000) * 1_000n;
        const claim = { name, owner, round, first, last: first + 1n, ttlMs: longMs };
        return this.#both(step, sort, (it) => it.confirm(claim, incarnation));
      }
      case 'renew':
        return this.#both(step, sort, (it) =>
          it.renew(
            names.map((one) => ({ ...held, name: one })),
            incarnation,
          ),
        );
      case 'release':
        return this.#both(step, sort, (it) => it.release(held));
      case 'abandon':
        return this.#both(step, sort, (it) => it.abandon(name, owner, round));
      case 'all':
        return this.#both(step, sort, (it) => it.abandon(name, owner));
      case 'revoke':
        await this.#both(step, 'round', (it) => it.roundOf(name));
        await this.#both(step, 'holder', (it) => it.holderOf(name));
        await this.#both(step, 'revoke only', (it) => it.revoke(name, by, round, owner));
        return this.#both(step, sort, (it) => it.revoke(name, by, round));
      case 'list':
        await this.#both(step, 'read', (it) => it.read(name));
        return this.#both(step, sort, async (it) => [...(await it.list(''))].sort((a, b) => (a.name < b.name ? -1 : 1)));
      case 'mend':
        // Where it is held there is nothing to repair; what was ended must not come back.
        await this.#both(step, 'copy', (it) => it.copy(held));
        return this.#mend(step, held, round, incarnation);
      case 'forgive':
        return this.#forgive(name);
      default:
        return integer({ seed: this.#seed }, 0, 3, 'crashes', '', step) === 0 ? this.#crash(step) : undefined;
    }
  }

  async #vote(step: number, how: { name: Ballot['ask']['name']; owner: string; sort: 'vote' | 'rob'; incarnation: string }) {
    const { name, owner, sort, incarnation } = how;
    this.#round += integer({ seed: this.#seed }, 0, 1, 'new-round', '', step);
    const isShort = integer({ seed: this.#seed }, 0, 4, 'short', '', step) === 0;
    const lock = { name, owner, mode: 'exclusive', ttlMs: isShort ? shortMs : longMs, fences: 2, enqueue: false } as const;
    // Ahead of the clock, by less than half the grace: so both take it for their fence, unless they have a higher one.
    const proposal = (Date.now() + graceMs * 0.4) * 1_000;
    const ballot = {
      ask: { ...lock, node, metadata: {} },
      round: this.#round,
      proposal,
      ...(sort === 'rob' ? { robs: by } : {}),
    };
    // Who is refused is to be woken, if somebody waits for it here.
    const isWaiting = integer({ seed: this.#seed }, 0, 1, 'waits', '', step) === 0;
    const stop = isWaiting ? this.#real.watch(name, () => {}) : () => {};
    this.#channel = isWaiting ? 'channel' : '';
    await this.#both(step, sort, (it) => it.vote(ballot, incarnation));
    stop();
    if (isShort) await sleep(2 * shortMs);
    const waiting = this.#virtual.state.cells.get(name.encoded)?.waiting.size ?? 0;
    expect(await this.#server.command('ZCARD', `{holdfast:${name.encoded}}:wake`), `step ${step}: who waits`).toBe(
      `:${waiting}\r\n`,
    );
  }

  /** Its tombstones run out: from then on the name may be one of which a node knows nothing but the fence. */
  async #forgive(name: Ballot['ask']['name']): Promise<void> {
    const key = `{holdfast:${name.encoded}}:ended`;
    await this.#server.command('DEL', key, `${key}:why`, `${key}:round`);
    const state = this.#virtual.state;
    state.cells.get(name.encoded)?.ended.clear();
    this.#virtual.restart(this.#incarnation, state);
  }

  async #mend(step: number, held: Parameters<Node['repair']>[0], round: number, incarnation: string): Promise<void> {
    const first = BigInt(Date.now() + 3_000) * 1_000n;
    const ask = { ...held, fences: 1, enqueue: false, node, metadata: {} };
    const hold = { round, first, last: first, leftMs: longMs };
    const line = `{"holdfast":1,"owner":"${held.owner}","first":"${first}","last":"${first}","round":${round},"sinceMs":0,"ttlMs":${longMs},"node":${JSON.stringify(node)},"metadata":{}}`;
    const untilUs = (Date.now() + 30_000) * 1_000;
    const texts = [line, JSON.stringify({ ask, sinceMs: 0 })];
    // Each has a text of its own.
    await this.#both(step, 'repair', (it) =>
      it.repair(held, { ...hold, text: (it === this.#real ? texts[0] : texts[1]) as string }, untilUs, incarnation),
    );
  }

  async #crash(step: number): Promise<void> {
    await this.#server.kill();
    await this.#server.boot();
    for (let tries = 0; ; tries++) {
      try {
        await this.#join(false);
        break;
      } catch (error) {
        if (tries === 20) throw error;
        await sleep(50);
      }
    }
    const waiting = {
      ...{ name: names[0] as Ballot['ask']['name'], owner: 'owner-1' },
      sort: 'vote',
      incarnation: this.#incarnation,
    } as const;
    await this.#vote(step, waiting);
    await sleep(2 * graceMs);
  }

  async #both(step: number, sort: string, request: (it: Either) => Promise<unknown>): Promise<void> {
    const expected = seen(await request(this.#real));
    const answer = seen(await request(this.#virtualNode));
    expect(answer, `step ${step}: ${sort}`).toEqual(expected);
  }

  get #virtualNode(): Either {
    const virtual = this.#virtual;
    return {
      vote: async (ballot, incarnation) => virtual.vote(ballot, incarnation, this.#channel),
      confirm: async (claim, incarnation) => virtual.confirm(claim, incarnation),
      renew: async (holds, incarnation) => virtual.renew(holds, incarnation),
      copy: async (held) => virtual.copy(held),
      repair: async (held, copy, untilUs, incarnation) => virtual.repair(held, copy, untilUs, incarnation),
      release: async (held) => virtual.release(held),
      abandon: async (name, owner, round) => virtual.abandon(name, owner, round),
      roundOf: async (name) => virtual.roundOf(name),
      holderOf: async (name) => virtual.holderOf(name),
      revoke: async (name, why, upToRound, only) => virtual.revoke(name, why, upToRound, only),
      read: async (name) => virtual.read(name),
      list: async (prefix) => virtual.list(prefix),
    };
  }
}
