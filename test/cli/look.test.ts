import { afterEach, describe, expect, it } from 'vitest';
import { firstLine, until } from './support/poll.js';
import { type Running, Scene } from './support/program.js';

const scene = new Scene();
const started: Running[] = [];

async function hold(name: string, ...options: string[]): Promise<Running> {
  const log = scene.file(`log-${started.length}`);
  const running = scene.holdfast(['run', ...options, name, '--', 'sh', '-c', `echo in >> ${log}; exec sleep 60`]);
  started.push(running);
  await firstLine(log);
  return running;
}

async function json(...args: string[]) {
  const { stdout, status, stderr } = await scene.outcome([...args, '--json']);
  expect([status, stderr]).toEqual([0, '']);
  expect(stdout.split('\n').length).toBe(2);
  return JSON.parse(stdout);
}

afterEach(() => void started.splice(0));

describe('JSON', () => {
  it('query: who holds and who waits, every field always there', async () => {
    const holder = await hold('job:a');
    const waiter = scene.holdfast(['run', 'job:a', '--', 'true']);
    const snapshot = await until('a waiter', 10_000, async () => {
      const now = await json('query', 'job:');
      return now.waiting.length === 1 && now;
    });
    expect(snapshot.held).toEqual([
      {
        name: 'job:a',
        key: expect.any(String),
        state: 'held',
        mode: 'exclusive',
        host: expect.any(String),
        pid: holder.pid,
        alive: true,
        clientId: expect.any(String),
        ownerDigest: expect.stringMatching(/^[0-9a-f]{12}$/),
        fence: expect.stringMatching(/^[0-9]+$/),
        ttlMs: 10_000,
        expiresInMs: expect.any(Number),
        sinceMs: expect.any(Number),
        renewals: expect.any(Number),
        metadata: { command: 'sh' },
      },
    ]);
    expect(snapshot.waiting).toMatchObject([{ pid: waiter.pid, state: 'waiting', fence: null, expiresInMs: null, alive: true }]);
    expect(Date.parse(snapshot.at)).toBeGreaterThan(0);
    expect(await json('query', 'other:')).toMatchObject({ held: [], waiting: [] });
  });

  it('inspect: one name, not those that start with it', async () => {
    await hold('a');
    const second = await hold('ab', '--shared');
    expect((await json('inspect', 'ab')).held).toMatchObject([{ pid: second.pid, mode: 'shared' }]);
    expect((await json('inspect', 'a')).held.length).toBe(1);
    expect(await json('inspect', 'abc')).toEqual({ name: 'abc', held: [], waiting: [], revocations: [] });
  });

  it('revoke: what was ended', async () => {
    expect(await json('revoke', 'x', '--reason', 'test')).toEqual({ name: 'x', ended: [], recorded: false });
  });
});

describe('tables', () => {
  it('have no colour in a pipe, whatever the environment asks for', async () => {
    await hold('job');
    const { stdout, status } = await scene.outcome(['query'], { env: { FORCE_COLOR: '1', COLORTERM: 'truecolor' } });
    expect(status).toBe(0);
    expect(stdout).not.toContain('\x1b');
    const [head, row] = stdout.split('\n');
    expect(head?.split(/ {2,}/)).toEqual([
      'NAME',
      'STATE',
      'HOST',
      'PID',
      'ALIVE',
      'SINCE',
      'TTL LEFT',
      'RENEWED',
      'FENCE',
      'METADATA',
      'KEY',
    ]);
    expect(row).toMatch(/^job +held +\S+ +[0-9]+ +yes +/);
  });

  it('show control characters in a name', async () => {
    await hold('a\x1b[31mb');
    const { stdout } = await scene.outcome(['query']);
    expect(stdout).toContain('a\\u{1b}[31mb');
  });

  it('say so when there is nothing', async () => {
    expect((await scene.outcome(['query'])).stdout).toBe('nobody holds or waits for anything\n');
    expect((await scene.outcome(['inspect', 'x'])).stdout).toBe('"x" is free\n');
    expect((await scene.outcome(['revoke', 'x', '--reason', 'r'])).stdout).toBe('nobody holds "x": nothing was revoked\n');
  });

  it('revoke names the holder that it stopped', async () => {
    const holder = await hold('x');
    const { stdout } = await scene.outcome(['revoke', 'x', '--reason', 'r']);
    expect(stdout).toMatch(new RegExp(`^revoked "x" from process ${holder.pid} on \\S+ \\(fence [0-9]+\\)`));
    expect((await holder.ended).status).toBe(76);
  });
});

it('query --watch prints a snapshot a second, and ends well on SIGINT', async () => {
  const watching = scene.holdfast(['query', '--watch', '--json']);
  await until('two snapshots', 10_000, () => watching.stdout().split('\n').length > 2);
  watching.child.kill('SIGINT');
  expect((await watching.ended).status).toBe(0);
  for (const line of watching.stdout().trim().split('\n')) expect(JSON.parse(line)).toMatchObject({ held: [], waiting: [] });
});

it('query | head: a reader that has gone is no failure', async () => {
  const watching = scene.holdfast(['query', '--watch']);
  await until('a snapshot', 10_000, () => watching.stdout().includes('nobody'));
  watching.child.stdout?.destroy();
  expect((await watching.ended).status).toBe(0);
});
