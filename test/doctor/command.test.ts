import { spawnSync } from 'node:child_process';
import process from 'node:process';
import { describe, expect, it } from 'vitest';
import { backendWords } from '../../src/cli/backend-words.js';
import { verdictsText } from '../../src/cli/doctor-text.js';
import { printable } from '../../src/cli/printable.js';
import { shellWord } from '../../src/core/shell-word.js';
import type { Verdict } from '../../src/doctor/index.js';
import { firstLine } from '../cli/support/poll.js';
import { Scene } from '../cli/support/program.js';
import { standStill } from '../support/stand-still.js';

/** The command line of the doctor. */

const scene = new Scene();

async function held(name: string): Promise<number> {
  const log = scene.file('log');
  const running = scene.holdfast(['run', '--ttl', '60s', name, '--', 'sh', '-c', `echo in >> ${log}; exec sleep 60`]);
  await firstLine(log);
  return running.pid;
}

describe('holdfast doctor', () => {
  it('a free name: 0; in JSON every field', async () => {
    expect(await scene.outcome(['doctor', 'a'])).toMatchObject({
      status: 0,
      stderr: '',
      stdout: expect.stringMatching(/^"a" free: /),
    });
    const { stdout, status } = await scene.outcome(['doctor', 'a', '--json']);
    expect([status, JSON.parse(stdout)]).toEqual([
      0,
      {
        name: 'a',
        held: [],
        waiting: [],
        verdicts: [{ id: 'free', severity: 'info', summary: expect.any(String), evidence: [], next: [] }],
      },
    ]);
  });

  it('something found: 1, and the commands repeat the store that was given', async () => {
    const pid = await held('a');
    standStill(pid);
    const { stdout, status } = await scene.outcome(['doctor', 'a', '--backend', scene.backend, '--json'], {
      env: { HOLDFAST_BACKEND: '' },
    });
    expect(status).toBe(1);
    const { verdicts, held: holders } = JSON.parse(stdout);
    expect(verdicts).toMatchObject([
      { id: 'holder-paused', next: [{ command: `kill -CONT ${pid}` }, { command: expect.any(String) }] },
    ]);
    expect(verdicts[0].next[1].command).toBe(
      `holdfast revoke a --if-fence ${holders[0].fence} --reason 'its holder is paused' --backend ${scene.backend}`,
    );
    process.kill(pid, 'SIGCONT');
  });

  it('without a name: the findings on the store', async () => {
    const { stdout, status } = await scene.outcome(['doctor']);
    expect(status).toBe(0);
    expect(stdout).toContain('info: synchronous=normal');
    expect(JSON.parse((await scene.outcome(['doctor', '--json'])).stdout)).toMatchObject({ findings: expect.any(Array) });
  });

  it('--scan: counts, and a status for scripts', async () => {
    const pid = await held('Job');
    const healthy = await scene.outcome(['doctor', '--scan']);
    expect(healthy).toMatchObject({ status: 0, stderr: '' });
    expect(healthy.stdout).toContain('1 names, 1 holds, 0 waiting');
    standStill(pid);
    const { status, stdout } = await scene.outcome(['doctor', '--scan', 'J', '--json']);
    expect([status, JSON.parse(stdout).counts]).toEqual([1, { 'holder-paused': 1 }]);
    process.kill(pid, 'SIGCONT');
  });

  it('a store that cannot be used: 69; what makes no sense: 64', async () => {
    const nowhere = ['--backend', 'redis://127.0.0.1:1'];
    expect((await scene.outcome(['doctor', 'a', ...nowhere])).status).toBe(69);
    expect((await scene.outcome(['doctor', ...nowhere])).status).toBe(69);
    for (const words of [
      ['a', 'b'],
      ['a', '--resource', 'x'],
      ['a', '--tenant', 'x'],
      ['--scan', '--sink', 'redis://127.0.0.1:1'],
      [''],
    ]) {
      expect([words, (await scene.outcome(['doctor', ...words])).status]).toEqual([words, 64]);
    }
  });
});

describe('what is printed', () => {
  it('a password is not repeated', () => {
    expect(backendWords('redis://:secret@host:1')).toBe(' --backend "$HOLDFAST_BACKEND"');
    expect(backendWords('redis://user@host:1/2?prefix=a')).toBe(" --backend 'redis://user@host:1/2?prefix=a'");
    expect(backendWords('postgres://host/db?user=a&password=secret')).toBe(' --backend "$HOLDFAST_BACKEND"');
    expect(backendWords(undefined)).toBe('');
  });

  it.each([
    'a',
    'payment:1',
    "it's",
    'two words',
    'a$b`c`',
    'line\nbreak\t\u001b[31m',
    "quote'\n",
    'left\u200eright',
    "c1\u0085\\x'0",
  ])('%j is one word of a shell', (text) => {
    const word = shellWord(text);
    expect(printable(word)).toBe(word);
    expect(spawnSync('bash', ['-c', `printf %s ${word}`], { encoding: 'utf8' }).stdout).toBe(text);
  });

  it('is never more than 11 lines, however much is found', () => {
    const verdict: Verdict = {
      id: 'holder-paused',
      severity: 'warning',
      summary: 's',
      evidence: ['a', 'b', 'c', 'd'],
      next: [1, 2, 3].map((n) => ({ why: `w${n}`, command: `c${n}` })),
    };
    for (const count of [1, 2, 3, 9]) {
      const lines = verdictsText('name', Array(count).fill(verdict)).trimEnd().split('\n');
      expect(lines.length).toBeLessThan(12);
      if (count > 1) expect(lines.at(-1)).toContain(`${count - 1} more`);
    }
  });

  it('fits a terminal of 80 columns with long names, and keeps the commands whole', () => {
    const name = 'part/'.repeat(40);
    const verdict: Verdict = {
      id: 'foreign-lock',
      severity: 'warning',
      summary: `${'s'.repeat(300)} is the matter`,
      evidence: [`holdfast:${name} holds a text of 3 characters`, 'ask whoever runs that code'],
      next: [1, 2].map((n) => ({ why: `w${n}`, command: `redis-cli ${n} GET holdfast:${name}` })),
    };
    for (const count of [1, 2]) {
      const lines = verdictsText(name, Array(count).fill(verdict)).trimEnd().split('\n');
      expect(lines.flatMap((line) => line.match(/.{1,80}/g) ?? []).length).toBeLessThan(12);
      expect(lines).toContain(`        redis-cli 1 GET holdfast:${name}`);
      expect(lines.join('\n')).toMatch(/^"part.* is the matter\n {2}seen.* holds a text of 3 characters\n/);
    }
  });
});
