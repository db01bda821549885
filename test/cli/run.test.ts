import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { firstLine, linesOf, rest, runs, stopwatch, until } from './support/poll.js';
import { program, Scene } from './support/program.js';

const scene = new Scene();

describe('what the command gets', () => {
  it('name, fence, TTL and the id of the run in its environment', async () => {
    const show = 'echo "$HOLDFAST_NAME|$HOLDFAST_FENCE|$HOLDFAST_TTL_MS|$HOLDFAST_RUN_ID"';
    const { status, stdout, stderr } = await scene.outcome(['run', '--ttl', '7s', 'a b', '--', 'sh', '-c', show]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(/^a b\|[0-9]+\|7000\|[0-9a-f-]{36}\n$/);
    expect(status).toBe(0);
  });

  it('nothing, where arguments and environment are too long for the system: it says so, and gives the name back', async () => {
    const before = scene.file('before.cjs');
    // Beyond what Linux allows for the common stack of 8 MB, and most others for any.
    writeFileSync(before, "for (let i = 0; i < 100; i++) process.env['LONG_' + i] = 'x'.repeat(100_000);");
    const env = { NODE_OPTIONS: `--require ${before}` };
    const { status, stderr } = await scene.outcome(['run', 'x', '--', 'true'], { env });
    expect(stderr).toContain('true: its arguments and the environment are too long for this system');
    expect(status).toBe(126);
    expect(await scene.outcome(['run', '--wait', '0', 'x', '--', 'true'])).toMatchObject({ status: 0 });
  });

  it('a larger fence every time', async () => {
    const fences: bigint[] = [];
    for (let i = 0; i < 3; i++) {
      fences.push(BigInt((await scene.outcome(['run', 'x', '--', 'sh', '-c', 'echo $HOLDFAST_FENCE'])).stdout.trim()));
    }
    expect(fences[1]).toBeGreaterThan(fences[0] ?? 0n);
    expect(fences[2]).toBeGreaterThan(fences[1] ?? 0n);
  });

  it('its arguments untouched, also those that look like ours', async () => {
    const { stdout } = await scene.outcome(['run', 'x', '--', 'printf', '%s\\n', '--ttl', '--', '--help', '', 'a  b', '*']);
    expect(stdout).toBe('--ttl\n--\n--help\n\na  b\n*\n');
  });

  it('standard input and output byte by byte', async () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7 + (i >> 8)) % 256));
    const { stdoutBytes, status } = await scene.outcome(['run', 'x', '--', 'cat'], { input: bytes });
    expect(stdoutBytes.equals(bytes)).toBe(true);
    expect(status).toBe(0);
  });

  it('its own name in argv[0], and the working directory', async () => {
    const { stdout } = await scene.outcome(['run', 'x', '--', 'sh', '-c', 'echo $0; pwd -P'], { cwd: scene.folder });
    expect(stdout).toBe(`sh\n${scene.folder}\n`);
  });
});

describe('exit status', () => {
  it.each([0, 7, 76, 255])('%i passes through', async (code) => {
    expect((await scene.outcome(['run', 'x', '--', 'sh', '-c', `exit ${code}`])).status).toBe(code);
  });

  it.each([
    ['TERM', 143],
    ['KILL', 137],
    ['USR1', 138],
    ['SEGV', 139],
  ])('128+n when the command dies of SIG%s', async (signal, status) => {
    expect((await scene.outcome(['run', 'x', '--', 'sh', '-c', `kill -${signal} $$`])).status).toBe(status);
  });

  it('127 for a command that does not exist, before the lock is asked for', async () => {
    const { status, stderr } = await scene.outcome(['run', 'x', '--', 'no-such-command'], {
      env: { HOLDFAST_BACKEND: 'sqlite:/proc/none.db' },
    });
    expect([status, stderr]).toEqual([127, 'holdfast: no-such-command: command not found on PATH\n']);
  });

  it('126 for one that is not executable', async () => {
    writeFileSync(scene.file('plain'), 'echo');
    mkdirSync(scene.file('folder'));
    for (const name of ['plain', 'folder']) {
      const { status, stderr } = await scene.outcome(['run', 'x', '--', scene.file(name)]);
      expect([status, stderr]).toEqual([126, `holdfast: ${scene.file(name)}: it is not executable (chmod +x?)\n`]);
    }
  });

  it('runs a script without a #! line, as a shell does', async () => {
    writeFileSync(scene.file('script'), 'exit 3');
    chmodSync(scene.file('script'), 0o755);
    expect((await scene.outcome(['run', 'x', '--', scene.file('script')])).status).toBe(3);
  });

  it('75 when the lock is not free in time, and the command does not run', async () => {
    const holder = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo in >> ${scene.file('log')}; exec sleep 60`]);
    await firstLine(scene.file('log'));
    for (const wait of ['0', '200ms']) {
      const { status, stderr, stdout } = await scene.outcome(['run', '--wait', wait, 'x', '--', 'echo', 'never']);
      expect([status, stdout]).toEqual([75, '']);
      expect(stderr).toMatch(/^holdfast: .*\n$/);
    }
    holder.child.kill('SIGTERM');
    expect((await holder.ended).status).toBe(143);
  });

  it('69 when the store cannot be used', async () => {
    writeFileSync(scene.file('locks.db'), 'this is no database, and never was one');
    const { status, stderr } = await scene.outcome(['run', 'x', '--', 'true']);
    expect(stderr).toMatch(/^holdfast: .*no intact SQLite database.*\n$/);
    expect(status).toBe(69);
  });
});

describe('signals', () => {
  const trapping = (signal: string) => `trap 'echo got ${signal}; exit 9' ${signal}; echo ready; while :; do sleep 0.05; done`;

  it.each(['INT', 'TERM', 'HUP', 'QUIT', 'USR1', 'USR2', 'WINCH'] as const)('SIG%s reaches the command', async (signal) => {
    const running = scene.holdfast(['run', 'x', '--', 'bash', '-c', trapping(signal)]);
    await until('ready', 10_000, () => running.stdout().includes('ready'));
    running.child.kill(`SIG${signal}`);
    expect((await running.ended).status).toBe(9);
    expect(running.stdout()).toContain(`got ${signal}`);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGALRM', 142],
  ] as const)('%s while waiting gives up the place in the queue', async (signal, status) => {
    const holder = scene.holdfast(['run', 'x', '--', 'sh', '-c', `echo in >> ${scene.file('log')}; exec sleep 60`]);
    await firstLine(scene.file('log'));
    const waiter = scene.holdfast(['run', 'x', '--', 'echo', 'never']);
    const inspect = async () => JSON.parse((await scene.outcome(['inspect', 'x', '--json'])).stdout);
    await until('a waiter', 10_000, async () => (await inspect()).waiting.length === 1);
    waiter.child.kill(signal);
    expect((await waiter.ended).status).toBe(status);
    expect(waiter.stdout()).toBe('');
    expect((await inspect()).waiting).toEqual([]);
    holder.child.kill('SIGKILL');
  });

  it('Ctrl-Z stops the command too; after a short stop both go on', async () => {
    const count = `i=0; while [ $i -lt 30 ]; do i=$((i+1)); echo $i >> ${scene.file('log')}; sleep 0.05; done`;
    const running = scene.holdfast(['run', 'x', '--', 'sh', '-c', count]);
    await firstLine(scene.file('log'));
    running.child.kill('SIGTSTP');
    const stat = () => readFileSync(`/proc/${running.pid}/stat`, 'utf8');
    await until('stopped', 5_000, () => / T /.test(stat()));
    // The command was told first; it stands when it has had a processor.
    await rest(200);
    const before = linesOf(scene.file('log')).length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(linesOf(scene.file('log')).length).toBe(before);
    running.child.kill('SIGCONT');
    expect((await running.ended).status).toBe(0);
    expect(linesOf(scene.file('log')).length).toBe(30);
  });
});

it.each([
  ['in a group of its own', 'timeout 60 '],
  ['in a session of its own', 'setsid -w '],
])('Ctrl-Z stops what the command has started %s, and the end of the stop continues it', async (_where, way) => {
  const count = `until [ -e ${scene.file('end')} ]; do echo >> ${scene.file('log')}; sleep 0.02; done`;
  const running = scene.holdfast(['run', 'x', '--', 'sh', '-c', `${way}sh -c '${count}'; :`]);
  const lines = () => linesOf(scene.file('log')).length;
  await firstLine(scene.file('log'));
  running.child.kill('SIGTSTP');
  await until('stopped', 5_000, () => / T /.test(readFileSync(`/proc/${running.pid}/stat`, 'utf8')));
  const before = lines();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(lines()).toBe(before);
  running.child.kill('SIGCONT');
  await until('it goes on', 5_000, () => lines() > before);
  writeFileSync(scene.file('end'), '');
  expect((await running.ended).status).toBe(0);
});

/** They are told of a child that is stopped, and take it for a person's wish. */
it.each([
  ['a shell with job control', ['bash', '-c', 'set -m; echo >> "$LOG"; sleep 3; echo $? >> "$END"']],
  ['script', ['script', '-qc', 'echo >> "$LOG"; sleep 3; echo $? >> "$END"', '/dev/null']],
] as const)('after Ctrl-Z and its end, %s goes on where it was', async (_who, command) => {
  const env = { LOG: scene.file('log'), END: scene.file('end') };
  const running = scene.holdfast(['run', 'x', '--', ...command], { env });
  await firstLine(scene.file('log'));
  running.child.kill('SIGTSTP');
  await until('stopped', 5_000, () => / T /.test(readFileSync(`/proc/${running.pid}/stat`, 'utf8')));
  await rest(500);
  running.child.kill('SIGCONT');
  expect((await running.ended).status).toBe(0);
  expect(linesOf(scene.file('end'))).toEqual(['0']);
});

it.each(['SIGALRM', 'SIGXCPU'] as const)('%s is for the command', async (signal) => {
  const script = `trap 'echo heard; exit 3' ${signal.slice(3)}; echo > ${scene.file('log')}; while :; do sleep 0.05; done`;
  const running = scene.holdfast(['run', 'x', '--', 'bash', '-c', script]);
  await until('it runs', 10_000, () => existsSync(scene.file('log')));
  running.child.kill(signal);
  expect([(await running.ended).status, running.stdout()]).toEqual([3, 'heard\n']);
});

it('a standard error that nobody reads keeps no name', async () => {
  // The pipe is full, and its reader waits for the next holder.
  const held = `${process.execPath} ${program} run --ttl 60s --max-hold 500ms x -- sh -c 'yes >&2'`;
  const next = `${process.execPath} ${program} run --wait 20s x -- true`;
  const running = scene.start('sh', ['-c', `(${held} 2>&1 >/dev/null; :) | (sleep 2; ${next}; echo $? > ${scene.file('log')})`], {
    env: { HOLDFAST_BACKEND: scene.backend },
  });
  await running.ended;
  expect(linesOf(scene.file('log'))).toEqual(['0']);
});

describe.skipIf(process.platform !== 'linux')('an argument that is not UTF-8', () => {
  const argument = (words: string) => scene.start('bash', ['-c', `${process.execPath} ${program} run x -- printf %s ${words}`]);

  it('is refused: the command would get another one', async () => {
    const running = argument("$'caf\\xe9'");
    expect([(await running.ended).status, running.stdout()]).toEqual([64, '']);
    expect(running.stderr()).toContain('an argument is not UTF-8');
  });

  it('is not taken for one that has the sign for what cannot be read', async () => {
    const running = argument("'\ufffd é'");
    expect([(await running.ended).status, running.stdout()]).toEqual([0, '\ufffd é']);
  });
});

describe('when the command must be stopped', () => {
  it('SIGTERM first; what it still does in its grace, it can do', async () => {
    const careful = `trap 'sleep 0.2; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done`;
    const running = scene.holdfast(['run', '--max-hold', '2s', 'x', '--', 'bash', '-c', careful]);
    expect((await running.ended).status).toBe(76);
    expect(running.stdout()).toBe('ready\ntidied\n');
    expect(running.stderr()).toContain('holdfast: stopped the command under "x": it ran longer than --max-hold\n');
  });

  it('SIGKILL after the grace, for everything that it started', async () => {
    const stubborn = `trap '' TERM; sh -c 'trap "" TERM; echo $$ >> ${scene.file('pids')}; while :; do sleep 0.05; done' & wait`;
    const args = ['run', '--ttl', '60s', '--grace', '300ms', '--max-hold', '2s', 'x', '--', 'sh', '-c', stubborn];
    const tookMs = stopwatch();
    const { status } = await scene.outcome(args);
    expect(status).toBe(76);
    // Not when its lease is over.
    expect(tookMs()).toBeLessThan(10_000);
    expect(runs(Number(linesOf(scene.file('pids'))[0]))).toBe(false);
  });

  it('a child of the command dies with a holdfast that is killed', async () => {
    const script = `sh -c 'echo $$ >> ${scene.file('pids')}; sleep 60; :'; :`;
    const running = scene.holdfast(['run', 'x', '--', 'sh', '-c', script]);
    const grandchild = Number(await firstLine(scene.file('pids')));
    running.child.kill('SIGKILL');
    await until('the grandchild is gone', 5_000, () => !runs(grandchild));
  });
});

it('refuses to wait for the lock that it runs under', async () => {
  const self = [process.execPath, program, 'run', 'x', '--', 'true'];
  const { status, stderr } = await scene.outcome(['run', 'x', '--', ...self]);
  expect([status, stderr]).toEqual([64, 'holdfast: this command already runs under "x": waiting for it would never end\n']);
});

it('refuses to wait for a lock that it runs under, also where another one is between', async () => {
  const self = (name: string) => [process.execPath, program, 'run', name, '--'];
  const { status, stderr } = await scene.outcome(['run', 'x', '--', ...self('y'), ...self('x'), 'true']);
  expect([status, stderr]).toEqual([64, 'holdfast: this command already runs under "x": waiting for it would never end\n']);
  // Above an outer one of the same name, whose hold is over, it waits like others.
  const stale = { HOLDFAST_OUTER_LOCKS: '[["x","1"],["x"],7]' };
  expect((await scene.outcome(['run', 'x', '--', 'true'], { env: stale })).status).toBe(0);
  expect((await scene.outcome(['run', 'x', '--', 'true'], { env: { HOLDFAST_OUTER_LOCKS: '{' } })).status).toBe(0);
});

it('shared holders run together, an exclusive one waits for both', async () => {
  const hold = (n: number) => ['run', '--shared', 'x', '--', 'sh', '-c', `echo ${n} >> ${scene.file('log')}; exec sleep 60`];
  const readers = [scene.holdfast(hold(1)), scene.holdfast(hold(2))];
  await until('both read', 10_000, () => linesOf(scene.file('log')).length === 2);
  expect((await scene.outcome(['run', '--wait', '0', 'x', '--', 'true'])).status).toBe(75);
  for (const reader of readers) reader.child.kill('SIGTERM');
  expect((await scene.outcome(['run', '--wait', '5s', 'x', '--', 'true'])).status).toBe(0);
});

it('is found through a symbolic link', async () => {
  const { root } = await import('./support/program.js');
  symlinkSync(`${root}holdfast`, scene.file('hf'));
  const running = scene.start(scene.file('hf'), ['--version'], { cwd: scene.folder });
  expect((await running.ended).status).toBe(0);
  expect(running.stdout()).toMatch(/^holdfast [0-9.]+\n$/);
});
