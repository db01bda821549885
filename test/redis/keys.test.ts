import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Keys, parsePrefix } from '../../src/backends/redis/keys.js';
import { parseName } from '../../src/core/name.js';

const keys = new Keys('holdfast:');

/** What the server takes of a key to choose its slot. */
function hashTag(key: string): string {
  const open = key.indexOf('{');
  const close = key.indexOf('}', open + 1);
  return open < 0 || close < 0 || close === open + 1 ? key : key.slice(open + 1, close);
}

const names = fc.string({
  unit: fc.constantFrom('a', '{', '}', '%', '7', 'B', 'D', ':', '*', '\0', '\ud800', '\udc00', 'é'),
  maxLength: 12,
});

describe('keys', () => {
  it('come back as the name that they were made of', () => {
    fc.assert(fc.property(names, (text) => keys.nameOf(keys.of(parseName(text))) === text));
  });

  it('are those of one name only', () => {
    fc.assert(fc.property(names, names, (a, b) => a === b || keys.of(parseName(a)) !== keys.of(parseName(b))));
  });

  it('share the slot of their siblings, and are no siblings of others', () => {
    fc.assert(
      fc.property(names, (text) => {
        const key = keys.of(parseName(text));
        return hashTag(`{${key}}:fence`) === hashTag(key) && !key.startsWith('{');
      }),
    );
  });

  it('are readable where nothing needs an escape', () => {
    expect(keys.of(parseName('payment:123'))).toBe('holdfast:payment:123');
    expect(keys.of(parseName('{a}'))).toBe('holdfast:%7Ba%7D');
    expect(new Keys('').of(parseName('job'))).toBe('job');
  });

  it('need a prefix for the empty name', () => {
    expect(keys.of(parseName(''))).toBe('holdfast:');
    expect(() => new Keys('').of(parseName(''))).toThrow(/prefix/);
  });

  it('are found by a pattern that takes every character literally', () => {
    expect(keys.patterns('a*[b]?\\').locks).toBe('holdfast:a\\*\\[b\\]\\?\\\\*');
    expect(keys.patterns('{a').waited).toBe('{holdfast:%7Ba*}:who');
    expect(keys.patterns('x\ud83d').locks).toBe('holdfast:x*');
    expect(new Keys('').patterns('').locks).toBe('[^{]*');
  });

  it.each(['{a}', 'a b', 'a\n', '\ud800', 'x'.repeat(257), 5, null])('refuse the prefix %j', (prefix) => {
    expect(() => parsePrefix(prefix)).toThrow(/prefix/);
  });
});
