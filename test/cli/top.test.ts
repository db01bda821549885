import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type GroupLine, Tally } from '../../src/cli/top/tally.js';
import type { Shown } from '../../src/cli/json.js';
import { firstLine, until } from './support/poll.js';
import { type Running, Scene } from './support/program.js';
import { hasScript, onTerminal, quote } from './support/terminal.js';

const scene = new Scene();
const byPrefix = (name: string) => name.split(':')[0] ?? '';

/** A hold, or with `fence` undefined a place. */
function record(name: string, owner: string, sinceMs: number, over: Partial<Shown> = {}): Shown {
  const node = { host: 'h', pid: 1, bootId: '', startedAt: '', nonce: '' };
  const held = { state: 'held', expiresInMs: 9_000, fence: 1n } as const;
  return { name, mode: 'exclusive', ownerDigest: owner, node, ttlMs: 10_000, sinceMs, metadata: {}, ...held, ...over };
}

const place = (name: string, owner: string, sinceMs: number) => {
  const { fence: _fence, expiresInMs: _left, ...rest } = record(name, owner, sinceMs);
  return { ...rest, state: 'waiting' } as const;
};

describe('what successive looks tell', () => {
  const line = (tally: Tally, atMs: number, records: readonly Shown[]): GroupLine | undefined =>
    tally.look({ atMs, records }).groups.find(({ group }) => group === 'pay');

  it('grants, waits and holds', () => {
    const tally = new Tally(byPrefix);
    expect(line(tally, 0, [record('pay:1', 'a', 500), place('pay:1', 'b', 300)])).toMatchObject({
      ...{ names: 1, held: 1, waiting: 1, grantsPerS: 0, oldestHoldMs: 500, oldestWaitMs: 300 },
      hold: { count: 0, p50Ms: undefined },
    });
    // b has held for 400 of the 1,000 ms, after it had waited for 300 before them.
    expect(line(tally, 1_000, [record('pay:1', 'b', 400)])).toMatchObject({
      ...{ held: 1, waiting: 0, grantsPerS: 1, lost: 0 },
      hold: { count: 1, p50Ms: 1_000 },
      wait: { count: 1, p50Ms: 900, p99Ms: 900 },
    });
    expect(line(tally, 2_000, [])).toMatchObject({ held: 0, grantsPerS: 0.5, hold: { count: 2, p50Ms: 1_000, p99Ms: 1_000 } });
  });

  it('a hold that was there before the first look is no grant, and what is old is forgotten', () => {
    const tally = new Tally(byPrefix);
    line(tally, 0, [record('pay:1', 'a', 500)]);
    expect(line(tally, 1_000, [record('pay:1', 'a', 1_500)])).toMatchObject({ grantsPerS: 0, wait: { count: 0 } });
    line(tally, 2_000, []);
    expect(line(tally, 3_000, [])).toMatchObject({ hold: { count: 1 } });
    expect(tally.look({ atMs: 70_000, records: [] }).groups).toEqual([]);
  });

  it('a hold that nobody renewed is lost; one that was released late in a short TTL is not', () => {
    const tally = new Tally(byPrefix);
    const short = { ttlMs: 900, expiresInMs: 650 };
    line(tally, 0, [record('pay:1', 'a', 9_500, { expiresInMs: 500 }), record('pay:2', 'b', 100, short)]);
    expect(line(tally, 1_000, [])?.lost).toBe(1);
    expect(line(tally, 100_000, [])?.lost).toBe(1);
  });

  it('however many groups there are, few are told apart', () => {
    const tally = new Tally((name) => name);
    const names = Array.from({ length: 1_000 }, (_, i) => `n${i}`);
    tally.look({ atMs: 0, records: [] });
    const all = names.map((name) => record(name, name, 0));
    const { groups } = tally.look({ atMs: 1_000, records: all });
    expect(groups.length).toBeLessThanOrEqual(201);
    expect(groups.reduce((sum, { held }) => sum + held, 0)).toBe(1_000);
    expect(groups.reduce((sum, { grantsPerS }) => sum + grantsPerS, 0)).toBe(1_000);
  });
});

async function hold(name: string, script = 'exec sleep 60'): Promise<Running> {
  const log = scene.file(name.replace(':', '-'));
  const running = scene.holdfast(['run', name, '--', 'sh', '-c', `echo in >> ${log}; ${script}`]);
  await firstLine(log);
  return running;
}

describe('in a pipe', () => {
  it('--once --json: one object, groups by the part before the colon', async () => {
    await hold('pay:1');
    await hold('pay:2');
    const { status, stdout, stderr } = await scene.outcome(['top', '--once', '--json', '--every', '300ms']);
    expect([status, stderr, stdout.split('\n').length]).toEqual([0, '', 2]);
    expect(JSON.parse(stdout)).toMatchObject({
      everyMs: 300,
      groups: [{ group: 'pay', names: 2, held: 2, waiting: 0, lostAtLeast: 0, holdEstimated: { count: 0, p50Ms: null } }],
    });
    const each = await scene.outcome(['top', '--once', '--json', '--every', '200ms', '--group-by', ':(\\d)$', 'pay:']);
    expect(JSON.parse(each.stdout).groups.map(({ group }: GroupLine) => group)).toEqual(['1', '2']);
    const text = await scene.outcome(['top', '--once', '--every', '200ms']);
    expect(text.stdout).toMatch(/^GROUP .*\npay +2 +2 +0 +0\.0 /);
    expect(text.stdout).not.toContain('\x1b');
  });

  it('sees short commands come and go', async () => {
    const watching = scene.holdfast(['top', '--json', '--every', '200ms']);
    await until('a frame', 10_000, () => watching.stdout().includes('\n'));
    expect((await scene.outcome(['run', 'job:1', '--', 'sleep', '3'])).status).toBe(0);
    const last = () => JSON.parse(watching.stdout().trim().split('\n').at(-1) ?? '{}');
    const job = await until('the end of the hold', 10_000, () =>
      last().groups.find((one: never) => one['holdEstimated']['count'] === 1),
    );
    expect(job).toMatchObject({ group: 'job', held: 0, waitEstimated: { count: 1 }, lostAtLeast: 0 });
    expect(job.holdEstimated.p50Ms).toBeGreaterThan(500);
    watching.child.kill('SIGTERM');
    expect((await watching.ended).status).toBe(0);
  });

  it.each([
    [['--every', '1ms'], '--every is 1ms'],
    [['--group-by', '('], '--group-by is no regular expression'],
    [['a', 'b'], 'top takes one prefix'],
  ])('%j is refused', async (args, sentence) => {
    const { status, stderr } = await scene.outcome(['top', ...args]);
    expect([status, stderr]).toEqual([64, expect.stringContaining(sentence)]);
  });
});

describe.skipIf(!hasScript)('on a terminal', () => {
  const entered = '\x1b[?1049h';
  const left = '\x1b[?1049l';
  const start = (rows = 24) => {
    const program = `sh -c 'echo $$ > ${scene.file('pid')}; exec $HF top --every 200ms'`;
    return onTerminal(scene, `tty > ${scene.file('tty')}; stty rows ${rows} cols 120; ${program}; echo "status $?"; stty -a`);
  };
  const type = (keys: string) => spawnSync('bash', ['-c', `printf ${quote(keys)} > ${scene.file('keys')}`]);
  const pid = () => Number(readFileSync(scene.file('pid'), 'utf8'));
  const drawn = (running: Running, what: string) => until(what, 10_000, () => running.stdout().includes(what));
  const count = (running: Running, what: string) => running.stdout().split(what).length - 1;
  /** The other screen is left, with a cursor, and what is typed is shown again. */
  const expectRestored = async (running: Running, status: number) => {
    await running.ended;
    const after = running.stdout().slice(running.stdout().lastIndexOf(left));
    expect(count(running, left)).toBe(count(running, entered));
    expect(running.stdout()).toContain('\x1b[?25h');
    expect(after).toContain(`status ${status}`);
    expect(after).toMatch(/ icanon /);
    expect(after).toMatch(/ echo /);
  };

  it.each([
    ['q', 0, () => type('q')],
    ['Ctrl-C', 0, () => type('\\003')],
    ['SIGTERM', 143, () => process.kill(pid(), 'SIGTERM')],
    ['SIGHUP', 129, () => process.kill(pid(), 'SIGHUP')],
  ])('shows what goes on, and gives the terminal back after %s', async (_, status, end) => {
    await hold('pay:1');
    const running = start();
    await drawn(running, 'pay ');
    expect(running.stdout()).toContain(entered);
    await until('it is drawn again', 10_000, () => count(running, '\x1b[H') > 2);
    end();
    await expectRestored(running, status);
  });

  it('draws anew for another size', async () => {
    for (const name of ['a:1', 'b:1', 'c:1', 'd:1']) await hold(name);
    const running = start(24);
    await drawn(running, 'd ');
    expect(running.stdout()).not.toContain('more groups');
    spawnSync('stty', ['-F', readFileSync(scene.file('tty'), 'utf8').trim(), 'rows', '10', 'cols', '60']);
    await drawn(running, 'and 2 more groups');
    type('q');
    await expectRestored(running, 0);
  });

  it('is stopped and goes on', async () => {
    const running = start();
    await drawn(running, 'nobody holds');
    process.kill(pid(), 'SIGTSTP');
    await drawn(running, left);
    // It has given the terminal back, and stands right after that.
    await until('it stands', 10_000, () => / T /.test(readFileSync(`/proc/${pid()}/stat`, 'utf8')));
    process.kill(pid(), 'SIGCONT');
    await until('it is entered again', 10_000, () => count(running, entered) === 2);
    type('q');
    await expectRestored(running, 0);
  });
});
