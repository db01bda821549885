import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { limits } from '../../src/core/limits.js';
import { decodeName, encodeName, parseName } from '../../src/core/name.js';

describe('names', () => {
  it('any string comes back unchanged, also lone surrogates and NUL', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => decodeName(encodeName(text)) === text));
    for (const text of ['', '\0', '\ud800', '\udc00', 'a\ud800b', '😀', '\ud83d', '%', '%41', '%u0041']) {
      expect(decodeName(encodeName(text))).toBe(text);
    }
  });

  it('different strings stay different after UTF-8', () => {
    const bytes = (text: string) => Buffer.from(encodeName(text)).toString('hex');
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => a === b || bytes(a) !== bytes(b)),
    );
    expect(bytes('\ud800')).not.toBe(bytes('\udc00'));
  });

  it('512 encoded bytes are allowed, 513 are refused with a way out', () => {
    expect(parseName('x'.repeat(limits.nameBytesMax)).encoded).toHaveLength(512);
    expect(() => parseName('é'.repeat(257))).toThrow(/takes 514: use a shorter name/);
    expect(() => parseName('%'.repeat(171))).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
