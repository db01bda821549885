import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { digestOf, encodedOf, idOf, parseRoot, segmentOf, viewOf } from '../../src/backends/zookeeper/paths.js';
import { fencesOf } from '../../src/backends/zookeeper/values.js';
import { ownerDigest } from '../../src/core/clock.js';
import { encodeName } from '../../src/core/name.js';

/** What a server refuses: PathUtils of ZooKeeper. */
const refused = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff/]/;

describe('the nodes of names', () => {
  it('are legal, and lead back to the name', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        const encoded = encodeName(text);
        const segment = segmentOf(encoded);
        expect(segment).not.toMatch(refused);
        expect(segment).not.toMatch(/^\.{0,2}$/);
        expect(encodedOf(segment)).toBe(encoded);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['', '~'],
    ['.', '~2E'],
    ['..', '~2E~2E'],
    ['a/b', 'a~2Fb'],
    ['~', '~7E'],
    ['漢字', '漢字'],
    ['🔒', '~F0~9F~94~92'],
  ])('%j is %j', (name, segment) => expect(segmentOf(encodeName(name))).toBe(segment));

  it('of owners show their digest', () => {
    expect(digestOf(idOf('an owner'))).toBe(ownerDigest('an owner'));
  });
});

describe('what the children of a name say', () => {
  const id = (letter: string) => letter.repeat(22);

  it('is who holds, who waits in which order, and who must not come back', () => {
    const children = [
      `px-${id('b')}-0000000012`,
      `hs-${id('-')}`,
      `ps-${id('a')}-0000000009`,
      `t-${id('c')}`,
      `r-${id('d')}`,
      'g-x',
    ];
    const view = viewOf(children, 7);
    expect(view).toMatchObject({ version: 7, lives: ['g-x'], holders: [{ id: id('-'), mode: 'shared' }] });
    expect(view.places.map((place) => [place.id, place.mode])).toEqual([
      [id('a'), 'shared'],
      [id('b'), 'exclusive'],
    ]);
    expect([[...view.abandoned], [...view.revoked]]).toEqual([[id('c')], [id('d')]]);
  });

  it('stays in order when the counter of the server begins anew below zero', () => {
    const sequences = ['2147483646', '2147483647', '-2147483648', '-2147483647'];
    const children = [...sequences].reverse().map((sequence, i) => `px-${id(String(i))}-${sequence}`);
    expect(viewOf(children, 1).places.map(({ sequence }) => String(sequence))).toEqual(sequences);
  });
});

describe('fences', () => {
  it('of one transaction never reach into the next one', () => {
    const { last } = fencesOf(41n, 512);
    expect(fencesOf(42n, 1).first).toBeGreaterThan(last);
    expect(fencesOf((1n << 54n) - 1n, 512).last).toBe(2n ** 63n - 1n);
    expect(() => fencesOf(1n << 54n, 1)).toThrow(/too high/);
  });
});

describe('the root', () => {
  it.each(['/holdfast', '/a/b', '/漢字'])('may be %j', (root) => expect(parseRoot(root)).toBe(root));
  it.each(['', '/', 'a', '/a/', '//', '/a//b', '/.', '/a/..', '/zookeeper', '/zookeeper/x', '/a b', 7, undefined])(
    'may not be %j',
    (root) => expect(() => parseRoot(root)).toThrow(/the root must be/),
  );
});
