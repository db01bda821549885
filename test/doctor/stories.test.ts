import { spawnSync } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { Redis } from 'ioredis';
import Redlock from 'redlock';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { firstLine, linesOf, until } from '../cli/support/poll.js';
import { root, type Running, Scene } from '../cli/support/program.js';
import { RedisServer, redisIsMissing } from '../support/redis-server.js';
import { standStill } from '../support/stand-still.js';

/** Somebody on call who has never seen Holdfast: asks the doctor, types what it prints, and it is mended. */

describe.skipIf(redisIsMissing)('with nothing but the output of the doctor', () => {
  let server: RedisServer;
  let client: Redis;
  beforeAll(async () => {
    server = await RedisServer.start();
    client = new Redis(server.port);
  });
  afterAll(async () => {
    client?.disconnect();
    await server?.stop();
  });
  afterEach(() => server.command('FLUSHALL'));
  const scene = new Scene(() => server.url);

  /** A job under a lock, and how often it has been seen at work. */
  async function job(name: string, ttl: string): Promise<{ readonly running: Running; readonly log: string }> {
    const log = scene.file(`${name}.log`);
    const running = scene.holdfast(['run', '--ttl', ttl, name, '--', 'sh', '-c', `echo in >> ${log}; exec sleep 60`]);
    await firstLine(log);
    return { running, log };
  }

  /** What the doctor prints, checked for its length, and its commands. */
  async function diagnosis(
    name: string,
    verdict: string,
  ): Promise<{ readonly text: string; readonly commands: readonly string[] }> {
    const { stdout, stderr, status } = await scene.outcome(['doctor', name]);
    expect([status, stderr]).toEqual([1, '']);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThan(12);
    expect(lines[0]).toContain(`"${name}" ${verdict}: `);
    const commands = lines.flatMap((line, i) => (/^ {2}(?:next|or {2}) /.test(line) ? [lines[i + 1]?.trim() ?? ''] : []));
    expect(commands.length).toBeGreaterThan(0);
    return { text: stdout, commands };
  }

  /** Typed into a shell, where holdfast is installed. */
  function typed(command: string | undefined): string {
    const env = { ...process.env, HOLDFAST_BACKEND: scene.backend, PATH: `${root}${path.delimiter}${process.env['PATH']}` };
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command ?? 'exit 99'], { env, encoding: 'utf8' });
    expect([command, status, stderr]).toEqual([command, 0, '']);
    return stdout;
  }

  const healthy = (name: string) => async () => (await scene.outcome(['doctor', name])).status === 0;

  it('a lock that a killed holder has left behind', async () => {
    // Not "holdfast run", which has its lease given back for it: an application that is killed.
    const holder = scene.start(process.execPath, ['--input-type=module', '-e', application(server.url)], { cwd: root });
    await until('the application holds it', 20_000, () => holder.stdout().includes('held'));
    holder.child.kill('SIGKILL');
    await holder.ended;
    const next = scene.holdfast(['run', 'nightly', '--', 'true']);
    const { text, commands } = await diagnosis('nightly', 'holder-dead');
    expect(text).toContain(String(holder.pid));
    expect(typed(commands[0])).toContain('revoked');
    expect((await next.ended).status).toBe(0);
    expect((await scene.outcome(['doctor', 'nightly'])).status).toBe(0);
  });

  it('a lock without a TTL', async () => {
    await client.setnx('holdfast:nightly', '1');
    const next = scene.holdfast(['run', 'nightly', '--', 'true']);
    const { text, commands } = await diagnosis('nightly', 'no-ttl');
    expect(text).toContain('nothing will ever free it');
    expect(typed(commands[0]).trim()).toBe('1');
    expect((await next.ended).status).toBe(0);
    // Whoever came next is not robbed by the same command.
    const { running } = await job('nightly', '10s');
    expect(typed(commands[0]).trim()).toBe('0');
    expect(await healthy('nightly')()).toBe(true);
    running.child.kill('SIGTERM');
    await running.ended;
  });

  it('a lock that redlock holds', async () => {
    const redlock = new Redlock([client], { retryCount: 0 });
    redlock.on('error', () => {});
    await redlock.acquire(['holdfast:nightly'], 30_000);
    const next = scene.holdfast(['run', 'nightly', '--', 'true']);
    const { text, commands } = await diagnosis('nightly', 'foreign-lock');
    expect(text).toContain('looks like redlock');
    expect(typed(commands[0]).trim()).toMatch(/^[0-9a-f]{32}$/);
    expect(typed(commands[1]).trim()).toBe('1');
    expect((await next.ended).status).toBe(0);
    expect(await healthy('nightly')()).toBe(true);
  });

  it('a holder that is frozen', async () => {
    const { running, log } = await job('nightly', '20s');
    standStill(running.child.pid);
    const { text, commands } = await diagnosis('nightly', 'holder-paused');
    expect(text).toContain('is stopped (state T)');
    typed(commands[0]);
    await until('it goes on', 20_000, healthy('nightly'));
    // Or it is given to the next one, and the frozen one learns of it when it wakes.
    standStill(running.child.pid);
    const second = scene.holdfast(['run', 'nightly', '--', 'sh', '-c', `echo next >> ${log}`]);
    const again = await diagnosis('nightly', 'holder-paused');
    expect(typed(again.commands[1])).toContain('revoked');
    expect((await second.ended).status).toBe(0);
    expect(linesOf(log)).toContain('next');
    running.child.kill('SIGCONT');
    expect((await running.ended).status).toBe(76);
  });
});

/** Holds a name until it is killed. */
function application(url: string): string {
  return `
    import { Holdfast } from 'holdfast';
    import { redisFromUrl } from 'holdfast/redis';
    const locks = new Holdfast(await redisFromUrl('${url}'), { ttlMs: 60_000 });
    await locks.acquire('nightly');
    console.log('held');
    setInterval(() => {}, 1_000);`;
}
