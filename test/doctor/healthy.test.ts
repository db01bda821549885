import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { redisGuard } from '../../src/guards/redis/index.js';
import { Holdfast } from '../../src/index.js';
import type { Question } from '../../src/doctor/index.js';
import type { Clinic } from './support/clinic.js';
import { onRedis, onSqlite } from './support/stores.js';

/** Nothing is found where nothing is wrong. */

onRedis((clinic, server) => {
  healthyRuns(clinic);

  it('hand-overs in front of a guarded sink', async () => {
    const client = new Redis(server().port);
    const guard = redisGuard(client);
    try {
      await quiet(clinic, { name: 'guarded', sink: { guard } }, async (locks) => {
        await locks.request('guarded', async ({ fence }) => guard.raise({ resource: 'guarded', fence }));
      });
    } finally {
      client.disconnect();
    }
  });
});
onSqlite(healthyRuns);

function healthyRuns(clinic: Clinic): void {
  it('short turns, handed over between processes and inside of them', async () => {
    await quiet(clinic, { name: 'short' }, (locks) =>
      locks.request('short', { expectedHoldMs: 1_000 }, () => sleep(Math.random() * 5)),
    );
  });

  it('turns of a few milliseconds, which share a hold', async () => {
    await quiet(clinic, { name: 'tiny' }, (locks) => locks.request('tiny', { expectedHoldMs: 1 }, () => sleep(1)));
  });

  it('longer turns than the looks are apart', async () => {
    await quiet(clinic, { name: 'long' }, (locks) =>
      locks.request('long', { ttlMs: 5_000, expectedHoldMs: 2_000 }, () => sleep(700)),
    );
  });

  it('leases of acquire, readers among them', async () => {
    await quiet(clinic, { name: 'mixed' }, async (locks) => {
      const mode = Math.random() < 0.7 ? 'shared' : 'exclusive';
      await using lease = await locks.acquire('mixed', { mode, ttlMs: 5_000 });
      await sleep(Math.random() * 300);
      lease.assertHeld();
    });
  });

  it('processes that come, hold for a moment, and end', async () => {
    let over = false;
    const coming = (async () => {
      while (!over) {
        const holder = await clinic.holder('short-lived', 5_000);
        holder.say('leave');
        await holder.exited;
      }
    })();
    for (const endMs = performance.now() + 1_200; performance.now() < endMs; ) {
      for (const id of await clinic.ids({ name: 'short-lived' })) expect(['free', 'healthy']).toContain(id);
    }
    over = true;
    await coming;
  });
}

const forMs = 1_200;
/** A busy machine asks seldom: by then somebody must have been seen to hold it. */
const atMostMs = 4_000;

/** Asks the doctor again and again while six callers on three instances work. */
async function quiet(clinic: Clinic, question: Question, turn: (locks: Holdfast) => Promise<unknown>): Promise<void> {
  const crew = await Promise.all([1, 2, 3].map(async () => new Holdfast(await clinic.open())));
  let over = false;
  const work = crew.flatMap((locks) =>
    [1, 2].map(async () => {
      while (!over) await turn(locks);
    }),
  );
  const heard = new Set<string>();
  const startMs = performance.now();
  const passedMs = () => performance.now() - startMs;
  while (passedMs() < forMs || (!heard.has('healthy') && passedMs() < atMostMs)) {
    for (const { id, summary } of await clinic.verdicts(question))
      heard.add(id === 'free' || id === 'healthy' ? id : `${id}: ${summary}`);
  }
  over = true;
  await Promise.all(work);
  await Promise.all(crew.map((locks) => locks.close()));
  // Where turns take a millisecond, no look may meet one.
  expect([...heard].filter((each) => each !== 'free' && each !== 'healthy')).toEqual([]);
}
