import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { firstLine, linesOf, runs, until } from './support/poll.js';
import { program, Scene } from './support/program.js';
import { onRedis } from './support/stores.js';
import { hasScript, onTerminal, quote } from './support/terminal.js';
import { undertakers } from './support/undertakers.js';

const scene = new Scene();
// Else a test that fails would wait for what it has found.
afterEach(() => {
  for (const pid of pids().filter(runs)) process.kill(pid, 'SIGKILL');
});
const pids = () => linesOf(scene.file('pids')).map(Number);
const loops = 'echo $$ >> "$PIDS"; while :; do sleep 0.05; done';
const stubborn = `trap "" TERM; ${loops}`;
const lostArgs = ['run', '--ttl', '5s', '--grace', '300ms', '--max-hold', '2s', 'x', '--'];

/** What a command starts besides itself, where it ends of SIGTERM at once. */
const ways: readonly [string, string][] = [
  ['in its group', `sh -c ${quote(loops)}; :`],
  ['in its group, and ignores SIGTERM', `sh -c ${quote(stubborn)}; :`],
  ['in a group of its own', `timeout 60 sh -c ${quote(loops)}; :`],
  ['in a group of its own, and ignores SIGTERM', `timeout 60 sh -c ${quote(stubborn)} & wait`],
  ['in a session of its own', `setsid -w sh -c ${quote(stubborn)}; :`],
  ['without its environment', `env -i PIDS="$PIDS" sh -c ${quote(stubborn)}; :`],
];

describe('when the lease ends, nothing runs on that the command has started', () => {
  it.each(ways)('%s', async (_where, script) => {
    const { status } = await scene.outcome([...lostArgs, 'sh', '-c', script], { env: { PIDS: scene.file('pids') } });
    expect(status).toBe(76);
    expect(pids()).toHaveLength(1);
    expect(pids().filter(runs)).toEqual([]);
  });

  it.skipIf(!hasScript).each(ways)('%s, on a terminal', async (_where, script) => {
    const line = `$HF ${lostArgs.map(quote).join(' ')} sh -c ${quote(script)}; echo $? > ${scene.file('status')}`;
    // It stays open: else its end would end them.
    onTerminal(scene, `export PIDS=${scene.file('pids')}; ${line}; sleep 60`);
    expect(await firstLine(scene.file('status'))).toBe('76');
    expect(pids()).toHaveLength(1);
    expect(pids().filter(runs)).toEqual([]);
  });
});

it('what is born while the command tidies up ends, too', async () => {
  const late = `setsid env -i PIDS="$PIDS" sh -c ${quote(stubborn)} &`;
  const script = `trap ${quote(late)} TERM; while :; do sleep 0.05; done`;
  const { status } = await scene.outcome([...lostArgs.with(lostArgs.indexOf('300ms'), '2s'), 'bash', '-c', script], {
    env: { PIDS: scene.file('pids') },
  });
  expect(status).toBe(76);
  expect(pids()).toHaveLength(1);
  expect(pids().filter(runs)).toEqual([]);
});

describe('what is asked to end', () => {
  const asked = (text: string) =>
    `trap "echo ${text} >> $PIDS.asked; exit" TERM; echo $$ >> "$PIDS"; while :; do sleep 0.05; done`;
  const told = () => linesOf(`${scene.file('pids')}.asked`);
  const args = ['run', '--ttl', '6s', '--grace', '2s', '--max-hold', '2s', 'x', '--', 'sh', '-c'];

  it('is asked once, where who has started it hands that on', async () => {
    const count = `trap "echo once >> $PIDS.asked" TERM; echo $$ >> "$PIDS"; while :; do sleep 0.05; done`;
    // Not `timeout`, which hands it on to its child, and to the group of both: now and then that is twice. Late, so that two are never taken for one.
    const handsOn = `sh -c ${quote(count)} & trap "sleep 0.2; kill -TERM $!" TERM; wait; wait`;
    const { status } = await scene.outcome([...args, `bash -c ${quote(`set -m; sh -c ${quote(handsOn)} & wait`)}; :`], {
      env: { PIDS: scene.file('pids') },
    });
    expect([status, told()]).toEqual([76, ['once']]);
  });

  it('is asked in a session of its own as well', async () => {
    const { status } = await scene.outcome([...args, `setsid sh -c ${quote(asked('far'))} & wait`], {
      env: { PIDS: scene.file('pids') },
    });
    expect([status, told()]).toEqual([76, ['far']]);
  });
});

describe('a command inside of another, when the outer one is killed', () => {
  it('ends before the outer name is given back', async () => {
    const inner = `${process.execPath} ${program} run y -- sh -c ${quote(`setsid -w sh -c ${quote(stubborn)}; :`)}`;
    const running = scene.holdfast(['run', 'x', '--', 'sh', '-c', `${inner}; :`], { env: { PIDS: scene.file('pids') } });
    await firstLine(scene.file('pids'));
    running.child.kill('SIGKILL');
    await until('nothing of it runs', 5_000, () => pids().filter(runs).length === 0);
  });
});

onRedis((own) => {
  it('a command inside of another, whose lease ends: its guard gives the inner name back', async () => {
    const inner = `${process.execPath} ${program} run --ttl 60s inner -- sh -c ${quote('trap "" TERM; while :; do sleep 0.05; done')}`;
    expect(
      (
        await own.outcome([
          'run',
          '--ttl',
          '60s',
          '--grace',
          '300ms',
          '--max-hold',
          '2s',
          'outer',
          '--',
          'sh',
          '-c',
          `${inner}; :`,
        ])
      ).status,
    ).toBe(76);
    // Far sooner than its TTL.
    expect((await own.outcome(['run', '--wait', '20s', 'inner', '--', 'true'])).status).toBe(0);
  });
});

it('a guard that is killed has a successor', async () => {
  const script = `setsid -w sh -c ${quote(stubborn)}; :`;
  const running = scene.holdfast(['run', 'x', '--', 'sh', '-c', script], { env: { PIDS: scene.file('pids') } });
  await firstLine(scene.file('pids'));
  const guards = () => undertakers(scene.backend);
  const [first] = guards();
  process.kill(Number(first), 'SIGKILL');
  await until('another one is there', 5_000, () => guards().length === 1 && guards()[0] !== first);
  // It is handed its will in the turn in which it is started, which nobody outside can see: one that dies within that turn leaves it to the TTL.
  await sleep(1_000);
  running.child.kill('SIGKILL');
  await until('nothing of it runs', 5_000, () => pids().filter(runs).length === 0);
});

it('a guard that could not be started is started later', async () => {
  // As where the system has no process to spare, in the moment in which a successor is needed.
  const hook = scene.file('hook.cjs');
  const fails = `const { ChildProcess } = require('child_process');
    const spawn = ChildProcess.prototype.spawn;
    let guards = 0;
    ChildProcess.prototype.spawn = function (options) {
      if (!options.args?.includes('holdfast-guard') || ++guards !== 2) return spawn.call(this, options);
      process.nextTick(() => this.emit('error', Object.assign(new Error('spawn EAGAIN'), { code: 'EAGAIN' })));
      return -11;
    };`;
  writeFileSync(hook, fails);
  const env = { NODE_OPTIONS: `--require ${hook}` };
  scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo $$ >> ${scene.file('pids')}; exec sleep 60`], { env });
  await firstLine(scene.file('pids'));
  const guards = () => undertakers(scene.backend);
  const [first] = guards();
  process.kill(Number(first), 'SIGKILL');
  await until('another one is there', 5_000, () => guards().length === 1 && guards()[0] !== first);
});

it('a setpriv that cannot do what it is asked for is left out', async () => {
  const folder = scene.file('bin');
  spawnSync('sh', [
    '-c',
    `mkdir ${folder} && printf '#!/bin/sh\necho unrecognized option; exit 1\n' > ${folder}/setpriv && chmod +x ${folder}/setpriv`,
  ]);
  const { status, stdout } = await scene.outcome(['run', 'x', '--', 'echo', 'hello'], {
    env: { PATH: `${folder}:${process.env['PATH']}` },
  });
  expect([status, stdout]).toEqual([0, 'hello\n']);
});

const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups'];
const asNobody = (words: readonly string[]) => ['setpriv', ...nobody, ...words];
const setpriv = '/usr/bin/setpriv';
/** Only root can make a program that becomes another user, and not everywhere. */
const canBecomeAnother = process.getuid?.() === 0 && existsSync(setpriv) && triesIt();

function triesIt(): boolean {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-sudo-'));
  try {
    chmodSync(folder, 0o755);
    const reads = spawnSync('setpriv', [...nobody, process.execPath, program, '--version']);
    const becomes = spawnSync('setpriv', [...nobody, sudoIn(folder), '--reuid', '0', 'true']);
    return reads.status === 0 && becomes.status === 0;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What becomes root, whoever starts it: its real user as well, so that it may not be killed. */
function sudoIn(folder: string): string {
  const file = path.join(folder, 'sudo');
  copyFileSync(setpriv, file);
  chmodSync(file, 0o4755);
  return file;
}

describe.skipIf(!canBecomeAnother)('a command that becomes another user, as sudo does', () => {
  const sudo = () => {
    chmodSync(scene.folder, 0o777);
    return `${sudoIn(scene.folder)} --reuid 0 --regid 0 --clear-groups`;
  };
  const work = `echo $PPID >> "$PIDS"; echo $$ >> "$PIDS"; until [ -e "$PIDS.end" ]; do sleep 0.05; done; echo over >> "$PIDS"`;
  const end = () => writeFileSync(`${scene.file('pids')}.end`, '');
  const env = () => ({ PIDS: scene.file('pids'), HOLDFAST_BACKEND: scene.backend });
  const isOver = () => existsSync(scene.file('pids')) && linesOf(scene.file('pids')).includes('over');
  const next = () => scene.outcome(['run', '--wait', '0', 'x', '--', 'true']);

  it('is not ended by us: its name stays held until it is over', async () => {
    const words = [process.execPath, program, ...lostArgs, 'sh', '-c', `${sudo()} sh -c ${quote(work)}; :`];
    const [file = '', ...args] = asNobody(words);
    const running = scene.start(file, args, { env: env() });
    await until('it says so', 10_000, () => running.stderr().includes('"x" stays held: process'));
    expect((await next()).status).toBe(75);
    expect(isOver()).toBe(false);
    end();
    expect((await running.ended).status).toBe(76);
    expect(isOver()).toBe(true);
    expect((await next()).status).toBe(0);
  });

  it('keeps its name held also where nobody reads that it does', async () => {
    const run = [process.execPath, program, ...lostArgs.with(2, '3s'), 'sh', '-c', `${sudo()} sh -c ${quote(work)}; :`];
    const line = asNobody(run).map(quote).join(' ');
    // What is to be said finds the pipe full.
    const script = `(dd if=/dev/zero bs=65536 count=1 status=none >&2; ${line}; echo $? > ${scene.file('status')}) 2>&1 >/dev/null | (sleep 12; cat >/dev/null)`;
    const running = scene.start('sh', ['-c', script], { env: env() });
    await until('it runs', 10_000, () => existsSync(scene.file('pids')) && pids().length === 2);
    // Longer than its TTL, since it was to be said.
    await sleep(9_000);
    expect((await next()).status).toBe(75);
    end();
    await running.ended;
    expect(await firstLine(scene.file('status'))).toBe('76');
  });

  it.skipIf(!hasScript)('gets no signal from us on a terminal, and its name stays held', async () => {
    const run = [process.execPath, program, 'run', 'x', '--'].map(quote).join(' ');
    const line = `${asNobody([]).join(' ')} ${run} ${sudo()} sh -c ${quote(work)}; echo $? > ${scene.file('status')}`;
    onTerminal(scene, `export PIDS=${env().PIDS} HOLDFAST_BACKEND=${env().HOLDFAST_BACKEND}; ${line}`);
    await until('it runs', 10_000, () => existsSync(scene.file('pids')) && pids().length === 2);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.kill(Number(pids()[0]), signal);
    expect((await next()).status).toBe(75);
    expect(isOver()).toBe(false);
    end();
    expect(await firstLine(scene.file('status'))).toBe('0');
    expect(isOver()).toBe(true);
    expect((await next()).status).toBe(0);
  });
});
