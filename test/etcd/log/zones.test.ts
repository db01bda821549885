import { describe, expect, it } from 'vitest';
import { checkZones } from '../../../src/backends/etcd/log/zones.js';

type Members = Parameters<typeof checkZones>[1];

function members(...names: readonly string[]): Members {
  return names.map((name, index) => ({
    id: String(index),
    name: name.replace('?', ''),
    peerUrls: [`http://127.0.0.1:${2380 + index}`],
    clientUrls: [],
    isLearner: name.endsWith('?'),
  })) as unknown as Members;
}

describe('the map of zones', () => {
  it.each([
    ['three zones', { a: '1', b: '2', c: '3' }, members('a', 'b', 'c')],
    [
      'five members in three zones, two at most in one',
      { a: '1', b: '1', c: '2', d: '2', e: '3' },
      members('a', 'b', 'c', 'd', 'e'),
    ],
    ['four members in two zones: two are no majority of four', { a: '1', b: '1', c: '2', d: '2' }, members('a', 'b', 'c', 'd')],
    ['a learner does not vote', { a: '1', b: '2', c: '3', l: '1' }, members('a', 'b', 'c', 'l?')],
    ['a member that has left', { a: '1', b: '2', c: '3', gone: '1' }, members('a', 'b', 'c')],
  ])('is taken: %s', (_, zones, list) => {
    checkZones(zones, list);
  });

  it.each([
    ['all in one zone', { a: '1', b: '1', c: '1' }, members('a', 'b', 'c'), '3 of 3 voting members are in zone "1"'],
    ['two of three in one zone', { a: '1', b: '2', c: '1' }, members('a', 'b', 'c'), '(a, c)'],
    ['three of five in one zone', { a: '1', b: '1', c: '1', d: '2', e: '3' }, members('a', 'b', 'c', 'd', 'e'), '3 of 5'],
    ['a majority once the learner is not counted', { a: '1', b: '1', c: '2', l: '3' }, members('a', 'b', 'c', 'l?'), '2 of 3'],
    ['one member is its own majority', { a: '1' }, members('a'), '1 of 1'],
    ['a member is missing', { a: '1', b: '2' }, members('a', 'b', 'c'), '"c"'],
    ['a member has a zone without a name', { a: '1', b: '2', c: '' }, members('a', 'b', 'c'), '"c"'],
    ['a name that every object has', { a: '1', b: '2' }, members('a', 'b', 'toString'), '"toString"'],
    ['a member that never started', { a: '1', b: '2', c: '3' }, members('a', 'b', 'c', ''), 'has not started yet'],
  ])('is refused: %s', (_, zones, list, said) => {
    expect(() => checkZones(zones, list)).toThrow(said);
  });
});
