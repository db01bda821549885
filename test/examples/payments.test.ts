import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from '../docs/files.js';
import { postgresIsMissing } from '../support/postgres-server.js';
import { redisIsMissing } from '../support/redis-server.js';

const main = path.join(root, 'examples/payments/main.mjs');
let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'holdfast-payments-test-'));
  // PostgreSQL runs as another user.
  chmodSync(folder, 0o755);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(...words: readonly string[]) {
  const env = { ...process.env, TMPDIR: folder };
  return spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'pipe', 'pipe'], env });
}

async function run(...words: readonly string[]) {
  const child = start('--json', ...words);
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  const last = out.trim().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new Error(`${out}${err}`);
  return { code: child.exitCode, found: JSON.parse(last) as Readonly<Record<string, number>>, out };
}

const clean = {
  doubleCharges: 0,
  lostOrders: 0,
  unchargedOrders: 0,
  orphanEvents: 0,
  missingEvents: 0,
  contradictions: 0,
  crashes: 0,
};

describe.skipIf(process.platform === 'win32')('examples/payments (freezes with SIGSTOP, which Windows lacks)', () => {
  it('charges every order once with the guards on', { timeout: 240_000 }, async () => {
    const { code, found, out } = await run('--requests', '1000', '--rate', '80');
    expect(found, out).toMatchObject({ requests: 1000, ...clean, resolved: found['frozen'] });
    expect(found['frozen']).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  it('charges some twice with the guards off: the audit can fail', { timeout: 240_000 }, async () => {
    const { code, found } = await run('--requests', '1000', '--rate', '80', '--guards', 'off');
    expect(found['doubleCharges']).toBeGreaterThan(0);
    expect(code).toBe(0);
  });

  it.skipIf(postgresIsMissing || redisIsMissing)('the same on PostgreSQL and Redis', { timeout: 240_000 }, async () => {
    const { code, found, out } = await run('--requests', '400', '--rate', '60', '--stores', 'postgres');
    expect(found, out).toMatchObject({ requests: 400, ...clean, resolved: found['frozen'] });
    expect(code).toBe(0);
  });

  it('leaves no process and no folder behind when it is interrupted', { timeout: 60_000 }, async () => {
    const child = start('--requests', '1000');
    for await (const line of child.stdout) if (/freeze|kill|cut|hold/.test(String(line))) break;
    const children = childrenOf(child.pid ?? 0);
    expect(children.length).toBeGreaterThanOrEqual(4);
    child.kill('SIGINT');
    await once(child, 'exit');
    expect(child.exitCode).toBe(130);
    expect(children.filter(isRunning)).toEqual([]);
    expect(readdirSync(folder)).toEqual([]);
  });
});

function childrenOf(parent: number): readonly number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && statOf(entry)[1] === String(parent))
    .map(Number);
}

function isRunning(pid: number): boolean {
  return !['', 'Z'].includes(statOf(String(pid))[0] ?? '');
}

/** State and parent; nothing if there is no such process. */
function statOf(pid: string): readonly string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
