import { describe, expect, it } from 'vitest';
import { mustBeDone } from '../../src/backends/redis/replies.js';
import { voteOf } from '../../src/backends/redlock/redis/answers.js';

const asked = { owner: 'owner-1', proposal: '1700000000000100', first: 1700000000000100n, last: 1700000000000102n };
const place = { name: 'a', key: 'holdfast:a' };
const said = (reply: string) => () => voteOf(reply, asked, place);

describe('a yes that follows the proposal', () => {
  it('means the fences that were proposed, and tells the time', () => {
    expect(said('owner-1 1700000000000100 1700000000 7')()).toEqual({
      state: 'votes',
      votesInMs: 0,
      nowUs: 1_700_000_000_000_007,
      vote: { outcome: 'yes', first: asked.first, last: asked.last, ended: [] },
    });
  });

  it('of another owner, of another round, or cut short, is not taken for it', () => {
    const misdelivered = /the reply of another command/;
    expect(said('owner-2 1700000000000100 1700000000 7')).toThrow(misdelivered);
    expect(said('owner-1 1700000000000099 1700000000 7')).toThrow(misdelivered);
    expect(said('owner-1 1700000000000100')).toThrow(misdelivered);
    expect(said('PONG')).toThrow(misdelivered);
  });
});

it('what belongs to another command does not settle that an ask is taken back', () => {
  for (const reply of [1, '1']) expect(() => mustBeDone(reply)).not.toThrow();
  for (const reply of ['owner-1 1700000000000100 1700000000 7', ['votes', 0, 1], [], 0, null, 'OK', 'PONG']) {
    expect(() => mustBeDone(reply)).toThrow(/the reply of another command/);
  }
});
