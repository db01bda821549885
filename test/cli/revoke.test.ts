import { spawnSync } from 'node:child_process';
import os from 'node:os';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memory } from '../../src/backends/memory/index.js';
import { noteRevocation, revocationsOf } from '../../src/cli/revocations.js';
import type { LockRecord } from '../../src/core/backend.js';
import { ownerDigest } from '../../src/core/clock.js';
import type { Records } from '../../src/core/records.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { firstLine, until } from './support/poll.js';
import { type Running, Scene } from './support/program.js';
import { hasScript, onTerminal, quote } from './support/terminal.js';

const scene = new Scene();

async function hold(name: string, log = 'log'): Promise<Running> {
  const running = scene.holdfast(['run', name, '--', 'sh', '-c', `echo in >> ${scene.file(log)}; exec sleep 60`]);
  await firstLine(scene.file(log));
  return running;
}

async function inspect(name: string) {
  return JSON.parse((await scene.outcome(['inspect', name, '--json'])).stdout);
}

describe('in a script', () => {
  it('--if-fence ends that hold and no other', async () => {
    const holder = await hold('x');
    const [{ fence }] = (await inspect('x')).held;
    const other = await scene.outcome(['revoke', 'x', '--reason', 'r', '--if-fence', String(BigInt(fence) - 1n)]);
    expect([other.status, other.stdout]).toEqual([1, '']);
    expect(other.stderr).toMatch(
      new RegExp(
        `^holdfast: nobody holds "x" with fence \\d+: it is held by process ${holder.pid} on \\S+ \\(fence ${fence}\\); nothing`,
      ),
    );
    const json = await scene.outcome(['revoke', 'x', '--reason', 'r', '--if-fence', '1', '--json']);
    expect([json.status, JSON.parse(json.stdout)]).toMatchObject([1, { ended: [], recorded: false, held: [{ fence }] }]);
    const right = await scene.outcome(['revoke', 'x', '--reason', 'r', '--if-fence', fence, '--json']);
    expect([right.status, JSON.parse(right.stdout)]).toMatchObject([0, { ended: [{ fence }], recorded: true }]);
    expect((await holder.ended).status).toBe(76);
    const again = await scene.outcome(['revoke', 'x', '--reason', 'r', '--if-fence', fence]);
    expect([again.status, again.stderr]).toEqual([
      1,
      `holdfast: nobody holds "x" with fence ${fence}: nobody holds it; nothing was revoked\n`,
    ]);
  });

  it('inspect shows who did it and why, and later fences are higher', async () => {
    await hold('x');
    const [{ fence, ownerDigest: digest, pid }] = (await inspect('x')).held;
    expect((await scene.outcome(['revoke', 'x', '--reason', 'hangs, ticket 4711'])).status).toBe(0);
    const { revocations } = await inspect('x');
    expect(revocations).toEqual([
      {
        at: expect.stringMatching(/^\d{4}-.*Z$/),
        by: { user: expect.stringContaining(os.userInfo().username), host: os.hostname() },
        reason: 'hangs, ticket 4711',
        endedCount: 1,
        ended: [{ fence, ownerDigest: digest, host: expect.any(String), pid }],
        nextFenceAbove: fence,
      },
    ]);
    const { stdout } = await scene.outcome(['inspect', 'x']);
    expect(stdout).toMatch(new RegExp(`^revoked \\S+ \\S+ UTC by .+ on \\S+, fence ${fence}: hangs, ticket 4711$`, 'm'));
    await hold('x', 'second');
    expect(BigInt((await inspect('x')).held[0].fence)).toBeGreaterThan(BigInt(fence));
    expect((await inspect('y')).revocations).toEqual([]);
  });

  it.each(['', 'x', '-5', '1.5'])('--if-fence %j is refused', async (fence) => {
    const { status, stderr } = await scene.outcome(['revoke', 'x', '--reason', 'r', `--if-fence=${fence}`]);
    expect([status, stderr]).toEqual([64, expect.stringContaining('--if-fence is')]);
  });
});

/** The program's exit status stands in what it writes: `script` starts it through a shell. */
const revoking = (options = '', on = scene) =>
  onTerminal(on, `stty -echoctl; $HF revoke ${options} x --reason ${quote('hangs')}; echo "status $?"`);
const type = (keys: string, on = scene) => spawnSync('bash', ['-c', `printf ${quote(keys)} > ${on.file('keys')}`]);
const asked = (running: Running) => until('the question', 10_000, () => running.stdout().includes('[y/N]'));
const status = async (running: Running) => {
  await running.ended;
  return /status (\d+)/.exec(running.stdout())?.[1];
};

describe.skipIf(!hasScript || redisIsMissing)('on a terminal, of a lock without a fence', () => {
  let server: RedisServer;
  const onRedis = new Scene(() => server.url);
  beforeAll(async () => {
    server = await RedisServer.start();
  });
  afterAll(() => server.stop());

  it('ends nobody who came while the question stood', async () => {
    await server.command('SET', 'holdfast:x', 'of-another-library', 'PX', '60000');
    const running = revoking('', onRedis);
    await asked(running);
    expect(running.stdout()).toContain('End the hold of somebody unknown (fence unknown) on "x"');
    await server.command('DEL', 'holdfast:x');
    const next = onRedis.holdfast(['run', 'x', '--', 'sh', '-c', `echo in > ${onRedis.file('log')}; exec sleep 60`]);
    await firstLine(onRedis.file('log'));
    type('y\\n', onRedis);
    expect(await status(running)).toBe('1');
    expect(running.stdout()).toContain(`meanwhile "x" is held by process ${next.pid} `);
    expect(JSON.parse((await onRedis.outcome(['inspect', 'x', '--json'])).stdout).held).toHaveLength(1);
    next.child.kill('SIGTERM');
    await next.ended;
  });
});

describe.skipIf(!hasScript)('on a terminal', () => {
  it('asks first, says whose hold it is, and takes yes for an answer', async () => {
    const holder = await hold('x');
    const running = revoking();
    await asked(running);
    expect(running.stdout()).toMatch(
      new RegExp(`End the hold of process ${holder.pid} on \\S+ \\(fence \\d+\\) on "x", held for`),
    );
    expect((await inspect('x')).held.length).toBe(1);
    type('y\\n');
    expect(await status(running)).toBe('0');
    expect((await holder.ended).status).toBe(76);
  });

  it.each([
    ['no', 'n\\n'],
    ['an empty line', '\\n'],
    ['the end of the input', '\\004'],
    ['Ctrl-C', '\\003'],
  ])('%s is a no', async (_, keys) => {
    await hold('x');
    const running = revoking();
    await asked(running);
    type(keys);
    expect(await status(running)).toBe('1');
    expect(running.stdout()).toContain('nothing was revoked');
    expect((await inspect('x')).held.length).toBe(1);
  });

  it('ends only the hold that it asked about', async () => {
    const first = await hold('x');
    const running = revoking();
    await asked(running);
    first.child.kill('SIGTERM');
    await first.ended;
    const second = await hold('x', 'second');
    type('y\\n');
    expect(await status(running)).toBe('1');
    expect(running.stdout()).toMatch(new RegExp(`with fence \\d+: it is held by process ${second.pid} `));
    expect((await inspect('x')).held.length).toBe(1);
  });

  it('--yes asks nothing', async () => {
    const holder = await hold('x');
    const running = revoking('--yes');
    expect(await status(running)).toBe('0');
    expect(running.stdout()).not.toContain('[y/N]');
    expect((await holder.ended).status).toBe(76);
  });
});

describe('the note', () => {
  const records = memory().records?.() as Records;
  const ended = (fence: bigint): LockRecord => ({
    name: 'x',
    key: 'x',
    state: 'held',
    mode: 'exclusive',
    ownerDigest: ownerDigest(String(fence)),
    node: { host: 'h', pid: 1, bootId: '', startedAt: '', nonce: '' },
    fence,
    ttlMs: 1,
    sinceMs: 0,
    metadata: {},
  });

  const all = async (of: Records) => {
    const found = [];
    for await (const record of of.list?.('holdfast:revocations:') ?? []) found.push(record);
    return found;
  };

  it('none is lost when several revoke at once, and the oldest go when there are many', async () => {
    await Promise.all([1n, 2n, 3n, 4n, 5n].map((fence) => noteRevocation(records, 'busy', 'r', [ended(fence)])));
    expect((await revocationsOf(records, 'busy')).map((one) => one.nextFenceAbove).sort()).toEqual(['1', '2', '3', '4', '5']);
    for (let fence = 6n; fence <= 30n; fence++) await noteRevocation(records, 'busy', 'r', [ended(fence)]);
    const noted = await revocationsOf(records, 'busy');
    expect([noted.length, noted[0]?.nextFenceAbove, noted.at(-1)?.nextFenceAbove]).toEqual([20, '11', '30']);
  });

  it('of a crowd of readers names some and counts all, so that it fits into every store', async () => {
    const crowd = Array.from({ length: 5_000 }, (_, i) => ended(BigInt(i)));
    for (let i = 0; i < 20; i++) await noteRevocation(records, 'crowd', 'r'.repeat(512), crowd);
    const noted = await revocationsOf(records, 'crowd');
    expect(noted[19]).toMatchObject({ endedCount: 5_000, nextFenceAbove: '4999', ended: { length: 20 } });
    expect(JSON.stringify(noted).length).toBeLessThan(100_000);
  });

  it('that is damaged is left out', async () => {
    const own = memory().records?.() as Records;
    await noteRevocation(own, 'damaged', 'r', [ended(1n)]);
    const [record] = await all(own);
    const { name, revocations } = JSON.parse(record?.value ?? '');
    const at = revocations[0].at;
    const damaged = JSON.stringify({ name, revocations: [{ at }, null, { at, by: {}, reason: 1 }, ...revocations] });
    await own.compareAndSet(record?.key ?? '', record?.version ?? '', damaged, undefined);
    expect(await revocationsOf(own, 'damaged')).toEqual(revocations);
  });

  it('stays for thirty days, or without an end where a record cannot have so many', async () => {
    const [fresh, short] = [memory().records?.() as Records, memory().records?.() as Records];
    await noteRevocation(fresh, 'x', 'r', [ended(1n)]);
    await noteRevocation({ ...short, ttlMsMax: 86_400_000 }, 'x', 'r', [ended(1n)]);
    const [[long], [endless]] = [await all(fresh), await all(short)];
    expect((long?.expiresAtMs ?? 0) - (long?.storeTimeMs ?? 0)).toBeGreaterThan(29.9 * 86_400_000);
    expect(endless?.expiresAtMs).toBeUndefined();
  });
});
