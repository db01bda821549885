import { once } from 'node:events';
import { statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import process from 'node:process';
import { expect, it } from 'vitest';
import { firstLine, linesOf, runs, until } from '../support/poll.js';
import { root, Scene } from '../support/program.js';

const scene = new Scene();

/** Another program that keeps a transaction open, so that no renewal gets through. */
const blocker = `
  const { createRequire } = require('node:module');
  const Database = createRequire(process.argv[1])('libsql');
  const db = new Database(process.argv[2]);
  // A renewal may be under way.
  db.exec('PRAGMA busy_timeout = 5000');
  db.exec('BEGIN IMMEDIATE');
  console.log('blocked');
  setInterval(() => {}, 1000);
`;

it('a command whose lease cannot be renewed gets SIGTERM in time, and SIGKILL before the lease is over', async () => {
  const ttlMs = 6_000;
  const log = scene.file('log');
  const stubborn = `trap 'echo term >> ${log}' TERM; echo $$ >> ${log}; while :; do sleep 0.05; echo lives >> ${log}; done`;
  const holder = scene.holdfast(['run', '--ttl', `${ttlMs}ms`, '--grace', '2500ms', 'x', '--', 'bash', '-c', stubborn]);
  const command = Number(await firstLine(log));
  const blocking = scene.start(process.execPath, ['-e', blocker, root, scene.file('locks.db')]);
  await until('the store is blocked', 5_000, () => blocking.stdout().includes('blocked'));

  const blockedAtMs = Date.now();
  await until('SIGKILL', 10_000, () => !runs(command));
  // It had its grace.
  const lines = linesOf(log);
  expect(lines).toContain('term');
  expect(lines.at(-1)).toBe('lives');
  // The last renewal was before the store was blocked. What counts is when it did something for the last time, not when that is seen.
  expect(statSync(log).mtimeMs - blockedAtMs).toBeLessThan(ttlMs);
  expect((await holder.ended).status).toBe(76);
  expect(holder.stderr()).toContain('holdfast: stopped the command under "x": the lease could not be renewed\n');
});

it('SIGTERM ends a wait for a store that never answers, long before the ask would have been given up', async () => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const waiter = scene.holdfast(['run', '--backend', url, 'x', '--', 'echo', 'never']);
  await once(silent, 'connection');
  waiter.child.kill('SIGTERM');
  let status: number | null | undefined;
  void waiter.ended.then((result) => {
    status = result.status;
  });
  await until('its end', 8_000, () => status !== undefined);
  expect(status).toBe(143);
  silent.close();
});
