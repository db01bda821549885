import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MariaDBServer, mariadbIsMissing } from '../support/mariadb-server.js';
import { PostgresServer, postgresIsMissing } from '../support/postgres-server.js';
import { Processes, type Worker } from '../support/processes.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { standStill } from '../support/stand-still.js';

/**
 * Processes write under rising fences and are stopped in the middle, wherever that is; another one goes on under a higher fence, and the stopped one comes back
 * and writes what it had prepared. The sink's journal, in the order of its own writes, must never go back.
 */
interface Journal {
  readonly url: string;
  fences(): Promise<readonly bigint[]>;
  stop(): Promise<void>;
}

const sinks: Readonly<Record<string, { missing: boolean; start(): Promise<Journal> }>> = {
  postgres: {
    missing: postgresIsMissing,
    async start() {
      const server = await PostgresServer.start();
      // Filled in the order of the commits: the mark's row is locked from before the number is drawn.
      await server.rows('CREATE TABLE public.journal (id bigserial PRIMARY KEY, fence bigint NOT NULL)');
      const fences = async () =>
        (await server.rows('SELECT fence FROM public.journal ORDER BY id')).map(({ fence }) => BigInt(String(fence)));
      return { url: server.url, fences, stop: () => server.stop() };
    },
  },
  mysql: {
    missing: mariadbIsMissing,
    async start() {
      const server = await MariaDBServer.start();
      await server.rows('CREATE TABLE journal (id BIGINT AUTO_INCREMENT PRIMARY KEY, fence BIGINT NOT NULL) ENGINE = InnoDB');
      const fences = async () =>
        (await server.rows('SELECT fence FROM journal ORDER BY id')).map(({ fence }) => BigInt(String(fence)));
      return { url: server.url, fences, stop: () => server.stop() };
    },
  },
  redis: {
    missing: redisIsMissing,
    async start() {
      const server = await RedisServer.start();
      const fences = async () =>
        (await server.lines('EVAL', "return table.concat(redis.call('LRANGE', KEYS[1], 0, -1), '\\n')", '1', 'journal')).map(
          BigInt,
        );
      return { url: `redis://127.0.0.1:${server.port}`, fences, stop: () => server.stop() };
    },
  },
};

const rounds = 12;

describe.each(Object.entries(sinks))('processes that write to %s', (name, { missing, start }) => {
  const processes = new Processes(['core', 'guards'], new URL('worker.mjs', import.meta.url));
  let journal: Journal;
  beforeAll(async () => {
    if (!missing) journal = await start();
  });
  afterAll(() => journal?.stop());

  it.skipIf(missing)('never apply a write of a lower fence after one of a higher fence, wherever they are stopped', async () => {
    const workers: Worker[] = [];
    for (let i = 0; i < 3; i++) {
      const worker = processes.start([name, journal.url]);
      assert.equal((await worker.next())['ready'], true);
      workers.push(worker);
    }
    let refused = 0;
    const over = new Map<Worker, Promise<Record<string, unknown>>>();
    const end = async (worker: Worker) => {
      refused += Number((await over.get(worker))?.['refused'] ?? 0);
      over.delete(worker);
    };
    const of = (round: number) => workers[round % workers.length] as Worker;
    for (let round = 1; round <= rounds; round++) {
      // The one before is stopped now, somewhere in its writes; it may hold a lock, and then this one waits.
      of(round).say(`write ${round * 10}`);
      over.set(of(round), of(round).next());
      await sleep(3 + ((round * 7) % 20));
      if (round > 1) of(round - 1).child.kill('SIGCONT');
      // Whose turn comes next has been overtaken for long.
      await end(of(round + 1));
      standStill(of(round).child.pid);
    }
    of(rounds).child.kill('SIGCONT');
    for (const worker of workers) await end(worker);
    const fences = await journal.fences();
    expect(fences.length).toBeGreaterThan(rounds);
    const back = fences.filter((fence, i) => i > 0 && fence < (fences[i - 1] ?? 0n));
    expect(back, 'fences that came after a higher one').toEqual([]);
    // Else nobody came late, and nothing was tried.
    expect(refused).toBeGreaterThan(0);
  });
});
