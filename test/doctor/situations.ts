import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import type { Question, Verdict, VerdictId } from '../../src/doctor/index.js';
import { redisGuard } from '../../src/guards/redis/index.js';
import { idempotent } from '../../src/idempotency/index.js';
import { RedisServer } from '../support/redis-server.js';
import type { Scene, Undo } from './scene.js';
import { standStill } from '../support/stand-still.js';

/** Something that is the matter with a name, made to be so. */
export interface Situation {
  readonly title: string;
  readonly verdict: VerdictId;
  /** What the verdict must say beside its id. */
  readonly says?: RegExp;
  /** Answers what the doctor is told besides the name, a part of a `Question`, if anything. */
  readonly make: (scene: Scene, name: string) => Promise<unknown>;
}

/** Whoever is dead or stopped must still hold the name at the second look, however long the machine stands still before it. */
const longMs = 20_000;

/** On every store. */
export const anywhere: readonly Situation[] = [
  {
    title: 'a holder that was killed',
    verdict: 'holder-dead',
    says: /its holder is dead.*there is no process \d+/s,
    async make(scene, name) {
      const holder = await scene.holder(name, longMs);
      holder.child.kill('SIGKILL');
      await holder.exited;
    },
  },
  {
    title: 'a holder that was stopped',
    verdict: 'holder-paused',
    says: /is stopped.*kill -CONT/s,
    async make(scene, name) {
      const holder = await scene.holder(name, longMs);
      standStill(holder.child.pid);
    },
  },
  {
    title: 'a holder that has it for longer than expected',
    verdict: 'held-longer-than-expected',
    async make(scene, name) {
      await scene.holder(name);
      // Shorter ones are noise.
      await sleep(600);
      return { expectedHoldMs: 1 };
    },
  },
  {
    title: 'a TTL far above the work',
    verdict: 'ttl-far-above-work',
    async make(scene, name) {
      await scene.hold(name, 60_000);
      return { expectedHoldMs: 3_000, patienceMs: 1_000 };
    },
  },
];

/** Where the time that a lease has left is told to everybody. */
export const whereTimeIsTold: readonly Situation[] = [
  {
    title: 'a holder whose event loop is blocked',
    verdict: 'holder-paused',
    says: /last renewed .* ago/,
    async make(scene, name) {
      const holder = await scene.holder(name);
      holder.say('block 30000');
    },
  },
];

/** Behind a sink of whatever kind: a Redis, here. */
export const withSink: Situation = {
  title: 'a sink that has seen a higher fence',
  verdict: 'fence-behind-sink',
  says: /refuses its holder.*holdfast revoke/s,
  async make(scene, name) {
    const server = await RedisServer.start();
    const client = new Redis(server.port);
    scene.later(async () => {
      client.disconnect();
      await server.stop();
    });
    const guard = redisGuard(client);
    const lease = await (await scene.locks()).acquire(name);
    await guard.raise({ resource: name, fence: lease.fence + 1n });
    return { sink: { guard } };
  },
};

/** Where records lie beside the locks. */
export const withRecords: Situation = {
  title: 'a request that failed after an effect',
  verdict: 'frozen-record',
  says: /failed after an effect: the line broke/,
  async make(scene, name) {
    const records = (await scene.doctor()).records?.();
    if (records === undefined) throw new Error('this store has no records');
    const operation = idempotent(records, { operation: 'charge' });
    scene.later(() => operation.close());
    await operation
      .run({ key: name }, ({ effect }) => {
        effect('charge');
        throw new Error('the line broke');
      })
      .catch(() => undefined);
  },
};

/** Where waiters have places. */
export const withQueue: readonly Situation[] = [
  {
    title: 'a waiter that was killed, and is first',
    verdict: 'stuck-behind-dead-waiter',
    async make(scene, name) {
      const locks = await scene.locks();
      const lease = await locks.acquire(name);
      const waiter = await scene.waiter(name);
      waiter.child.kill('SIGKILL');
      await waiter.exited;
      await lease.release();
    },
  },
  {
    title: 'a waiter that does not come when it is its turn',
    verdict: 'waiting-out-a-pause',
    says: /offered to a waiter that does not come/,
    async make(scene, name) {
      const locks = await scene.locks();
      const lease = await locks.acquire(name);
      await scene.absentee(name);
      await lease.release();
    },
  },
];

/** Where names are compared as they are. */
export const inOtherLetters: Situation = {
  title: 'the same name in other letters',
  verdict: 'two-claimants',
  says: /only in upper and lower case/,
  async make(scene, name) {
    await scene.hold(name);
    await scene.hold(name.toUpperCase());
  },
};

/** A lock of somebody else. */
export function foreign(
  title: string,
  says: RegExp,
  make: (name: string) => Promise<Undo>,
  verdict: 'foreign-lock' | 'no-ttl' = 'foreign-lock',
): Situation {
  return {
    title,
    verdict,
    says,
    async make(scene, name) {
      scene.later(await make(name));
    },
  };
}

/** Each with its own verdict, and no other. */
export function diagnosed(scene: Scene, situations: readonly Situation[]): void {
  it.each(situations)('$title: $verdict', async ({ verdict, says, make, title }) => {
    const name = nameOf(title);
    const told = await make(scene, name);
    const verdicts = await scene.diagnose(name, (told ?? {}) as Partial<Question>);
    expect(verdicts.map(({ id }) => id)).toEqual([verdict]);
    expect(textOf(verdicts)).toMatch(says ?? /./);
    for (const { next } of verdicts) expect(next[0]?.command).toMatch(/\S/);
  });
}

/** Nothing but that all is well. */
export function quietWhenHealthy(scene: Scene): void {
  const ids = async (name: string, question?: Partial<Question>) =>
    (await scene.diagnose(name, question)).map(({ id }) => id).join();

  it('a name that nobody uses: free', async () => {
    expect(await ids('nobody:uses:it')).toBe('free');
  });

  it('a name that another process holds: healthy', async () => {
    await scene.holder('healthy:held');
    expect(await ids('healthy:held', { expectedHoldMs: 60_000 })).toBe('healthy');
  });

  it('a name that others wait for: healthy', async () => {
    await scene.holder('healthy:contended');
    const waiting = new AbortController();
    const waits = (await scene.locks()).acquire('healthy:contended', { signal: waiting.signal }).catch(() => undefined);
    expect(await ids('healthy:contended')).toBe('healthy');
    waiting.abort();
    await waits;
  });

  it('a name that goes from hand to hand: free or healthy', async () => {
    const [a, b] = [await scene.locks(), await scene.locks()];
    let ended = false;
    const work = async (locks: typeof a) => {
      while (!ended) await locks.request('healthy:busy', () => new Promise((resolve) => setTimeout(resolve, 20)));
    };
    const working = Promise.all([work(a), work(b)]);
    for (let i = 0; i < 2; i++) expect(await ids('healthy:busy')).toMatch(/^(?:free|healthy)$/);
    ended = true;
    await working;
  });
}

function nameOf(title: string): string {
  return title.replace(/[^a-z]+/gi, '-').toLowerCase();
}

function textOf(verdicts: readonly Verdict[]): string {
  return verdicts
    .flatMap(({ summary, evidence, next }) => [summary, ...evidence, ...next.map(({ command }) => command)])
    .join('\n');
}
