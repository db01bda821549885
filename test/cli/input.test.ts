import { describe, expect, it } from 'vitest';
import { Scene } from './support/program.js';

const scene = new Scene();

describe('wrong input is one sentence on standard error and 64', () => {
  it.each([
    ['no command', [], 'a command is missing'],
    ['an unknown command', ['quary'], 'unknown command "quary": did you mean "query"?'],
    ['an unknown option', ['run', '--tll', '5s', 'x', '--', 'true'], 'unknown option --tll: did you mean --ttl?'],
    ['an option of another command', ['query', '--ttl', '5s'], 'unknown option --ttl'],
    ['a missing --', ['run', 'x', 'echo', 'hi'], 'write holdfast run x -- echo hi'],
    ['a missing command', ['run', 'x', '--'], 'the command is missing after the --'],
    ['a missing name', ['run', '--', 'true'], 'NAME is missing (is a variable unset?)'],
    ['an empty name', ['run', '', '--', 'true'], 'the lock name is empty: is a variable unset?'],
    ['two names', ['run', 'x', 'y', '--', 'true'], '"y" is one word too many'],
    ['a name that starts with -', ['run', '-x', '--', 'true'], 'a lock name may not start with "-"'],
    ['a name that is too long', ['run', 'x'.repeat(513), '--', 'true'], 'a lock name may take 512 bytes'],
    ['a TTL without a unit', ['run', '--ttl', '10', 'x', '--', 'true'], 'did you mean 10s or 10ms?'],
    ['a TTL of 0', ['run', '--ttl', '0', 'x', '--', 'true'], '--ttl is 0: it must be at least 50ms'],
    ['a TTL of 0s', ['run', '--ttl', '0s', 'x', '--', 'true'], '--ttl is 0: it must be at least 50ms'],
    ['a negative TTL', ['run', '--ttl', '-5s', 'x', '--', 'true'], 'a duration cannot be negative'],
    ['a TTL that is no number', ['run', '--ttl', 'NaN', 'x', '--', 'true'], '"NaN", which is no duration'],
    ['a TTL that is too short', ['run', '--ttl', '1ms', 'x', '--', 'true'], 'at least 50ms'],
    ['a TTL that is too long', ['run', '--ttl', '25h', 'x', '--', 'true'], 'at most 1d'],
    ['an empty TTL', ['run', '--ttl', '', 'x', '--', 'true'], '--ttl is empty: is a variable unset?'],
    ['an option without its value', ['run', 'x', '--ttl', '--', 'true'], '--ttl needs a value'],
    ['a switch with a value', ['run', '--shared=yes', 'x', '--', 'true'], '--shared takes no value'],
    ['a grace beyond the TTL', ['run', '--grace', '8s', 'x', '--', 'true'], '--grace 8s does not fit into --ttl 10s'],
    ['an unknown backend', ['run', '--backend', 'sqlit:/x', 'x', '--', 'true'], 'did you mean sqlite:'],
    ['a backend that is no URL', ['run', '--backend', '/x.db', 'x', '--', 'true'], 'is no URL'],
    ['a revocation without a reason', ['revoke', 'x'], '--reason is missing'],
    ['a revocation with an empty reason', ['revoke', 'x', '--reason', ' '], '--reason is empty'],
    ['an inspection without a name', ['inspect'], 'NAME is missing'],
  ])('%s', async (_, args, sentence) => {
    const { status, stdout, stderr } = await scene.outcome(args);
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
    expect([status, stdout]).toEqual([64, '']);
  });

  it.each([
    ['of a store that nobody knows', 'rediss2://me:secret@host', 64],
    ['of a store that cannot be reached', 'redis://me:secret@127.0.0.1:1', 69],
    ['of a URL that is none', 'redis://me:secret@127.0.0.1:port', 64],
  ])('does not repeat the password %s', async (_, url, exit) => {
    const { stderr, status } = await scene.outcome(['query', '--backend', url]);
    expect(stderr).toMatch(/^holdfast: .*rediss?/i);
    expect(stderr).not.toContain('secret');
    expect(status).toBe(exit);
  });

  it('shows control characters instead of sending them to the terminal', async () => {
    const { stderr, status } = await scene.outcome(['run', 'x', '--', 'no\x1b[2Jsuch']);
    expect([status, stderr]).toEqual([127, 'holdfast: no\\u{1b}[2Jsuch: command not found on PATH\n']);
  });
});

describe('help', () => {
  it.each([
    [['--help'], 'holdfast run NAME -- COMMAND'],
    [['help', 'run'], '--max-hold'],
    [['run', '--help'], '--max-hold'],
    [['query', '-h'], '--watch'],
    [['inspect', '--help'], '--json'],
    [['revoke', '--help'], '--if-fence'],
    [['top', '--help'], '--group-by'],
  ])('%j', async (args, text) => {
    const { status, stdout, stderr } = await scene.outcome(args);
    expect([status, stderr]).toEqual([0, '']);
    expect(stdout).toContain(text);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

it('uses a file under $XDG_STATE_HOME when no backend is named', async () => {
  const env = { HOLDFAST_BACKEND: '', XDG_STATE_HOME: scene.file('state') };
  const { stdout } = await scene.outcome(['run', 'x', '--', 'ls', scene.file('state/holdfast')], { env });
  expect(stdout).toContain('locks.db\n');
});
