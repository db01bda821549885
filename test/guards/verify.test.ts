import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { StaleFenceError } from '../../src/core/errors.js';
import type { Guard } from '../../src/core/guard.js';
import { type Verdict, verifyGuard } from '../../src/guards/index.js';
import { redisGuard } from '../../src/guards/redis/index.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';

const failed = ({ verifications }: Verdict) => verifications.filter(({ passed }) => !passed).map(({ what }) => what);

type Mistake =
  | 'none'
  | 'takes everything'
  | 'checks before the write'
  | 'refuses equal'
  | 'lowers'
  | 'cannot raise meanwhile'
  | 'fails meanwhile';

/** Every mistake that a guard may have, around a mark in memory. */
function guardWith(mistake: Mistake): Guard<void> {
  let mark: bigint | undefined;
  let running = 0;
  const check = (fence: bigint) => {
    if (mistake === 'takes everything' || mark === undefined) return;
    if (fence < mark || (mistake === 'refuses equal' && fence === mark))
      throw new StaleFenceError({ sink: 'test', resource: 'r', fence, mark });
  };
  return {
    sink: 'test',
    async run({ fence }, work) {
      if (mistake === 'checks before the write') check(fence);
      running++;
      const value = await work();
      running--;
      if (mistake === 'fails meanwhile' && mark !== undefined && fence > mark) throw new Error('the sink is gone');
      if (mistake !== 'checks before the write') check(fence);
      if (mark === undefined || fence > mark) mark = fence;
      return value;
    },
    async raise({ fence }) {
      if (mistake === 'cannot raise meanwhile' && running > 0) throw new Error('the sink is busy');
      // Waits for the end of the write.
      while (mistake === 'fails meanwhile' && running > 0) await sleep(10);
      if (mark === undefined || fence > mark || mistake === 'lowers') mark = fence;
      return mark;
    },
    mark: async () => mark,
  };
}

describe('verifyGuard', () => {
  it('has nothing to say against a guard that is right, also a second time', async () => {
    const guard = guardWith('none');
    expect(failed(await verifyGuard(guard))).toEqual([]);
    expect((await verifyGuard(guard)).safe).toBe(true);
  });

  it.each([
    ['takes everything', 'a stale fence is refused'],
    ['checks before the write', 'a fence that becomes stale while the work runs is refused'],
    ['refuses equal', 'a fence that is equal to the mark is taken'],
    ['lowers', 'raise never lowers the mark'],
    ['cannot raise meanwhile', 'a fence that becomes stale while the work runs is refused'],
    ['fails meanwhile', 'a fence that becomes stale while the work runs is refused'],
  ] as const)('finds a guard that %s', async (mistake, what) => {
    const verdict = await verifyGuard(guardWith(mistake));
    expect(verdict.safe).toBe(false);
    expect(failed(verdict)).toContain(what);
  });
});

function holdfast(...args: readonly string[]): Promise<{ status: number | null; out: string; err: string }> {
  const program = path.resolve('dist/cli/main.js');
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, out, err })));
}

describe.skipIf(redisIsMissing)('holdfast verify-guard', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  it('finds a guard right, and one whose mark has a TTL wrong', async () => {
    const url = `redis://127.0.0.1:${server.port}`;
    const first = await holdfast('verify-guard', url);
    expect(first).toMatchObject({ status: 0, err: '' });
    expect(first.out).not.toContain('NOT OK');
    const client = new Redis({ port: server.port });
    // A SET takes a TTL away again; so it is set when the guard has written all that it writes.
    const expiring = redisGuard({
      isCluster: false,
      evalsha: (sha: string, keys: number, ...args: string[]) => client.evalsha(sha, keys, ...args),
      eval: (script: string, keys: number, ...args: string[]) => client.eval(script, keys, ...args),
      get: (key: string) => client.get(key),
      pttl: async (key: string) => {
        await client.pexpire(key, 600_000);
        return client.pttl(key);
      },
    });
    expect(failed(await verifyGuard(expiring, { resource: 'brief' }))).toEqual(['nothing ends the mark']);
    client.disconnect();
  });

  it.each([true, false])('asks a receiver over HTTP (one that checks: %s)', async (checks) => {
    let mark = 0n;
    const receiver = createServer((request, response) => {
      const fence = BigInt(String(request.headers['fencing-token']));
      response.statusCode = checks && fence < mark ? 412 : 204;
      if (fence > mark) mark = fence;
      response.end();
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const { port } = receiver.address() as AddressInfo;
    const { status, out } = await holdfast('verify-guard', `http://127.0.0.1:${port}/`);
    expect(status).toBe(checks ? 0 : 1);
    expect(out.includes('NOT OK')).toBe(!checks);
    receiver.close();
  });

  it('says what is wrong with the command line, and repeats no password', async () => {
    expect(await holdfast('verify-guard')).toMatchObject({ status: 64 });
    const misspelt = await holdfast('verify-guard', 'postgers://user:secret@host/db');
    expect(misspelt.status).toBe(64);
    expect(misspelt.err).toContain('postgres:');
    expect(misspelt.err).not.toContain('secret');
    expect(await holdfast('verify-guard', 'no-such-file.mjs')).toMatchObject({ status: 64 });
    expect(await holdfast('verify-guard', 'postgres://user@127.0.0.1:1/db')).toMatchObject({ status: 69 });
  });
});
