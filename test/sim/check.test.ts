import { describe, expect, it } from 'vitest';
import { check } from '../../src/testkit/check/check.js';
import type { Happening, History, Promises } from '../../src/testkit/check/history.js';
import { rules } from '../../src/testkit/check/rules/index.js';

type Line = readonly [atMs: number, happening: Happening];

const strict: Promises = { durable: true, calm: true, queue: true, push: true, pollMs: 1_000, latencyMs: 2 };
const rough: Promises = { ...strict, calm: false };

function history(promises: Promises, ...lines: readonly Line[]): History {
  return { promises, events: lines.map(([atMs, happening], index) => ({ ...happening, index, atMs })) };
}

function broken(promises: Promises, ...lines: readonly Line[]): string[] {
  return [...new Set(check(history(promises, ...lines)).map(({ rule }) => rule))].sort();
}

type Fields<T extends Happening['type']> = Partial<Omit<Extract<Happening, { type: T }>, 'type'>>;

const ask = (op: string, more: Fields<'requested'> = {}): Happening => ({
  type: 'requested',
  process: `of ${op}`,
  op,
  name: 'a',
  mode: 'exclusive',
  how: 'request',
  patient: true,
  steal: false,
  throws: undefined,
  ...more,
});
const minted = (owner: string, first: bigint, untilMs: number, more: Fields<'minted'> = {}): Happening => ({
  type: 'minted',
  process: `of ${owner}`,
  name: 'a',
  owner,
  mode: 'exclusive',
  first,
  last: first,
  untilMs,
  ttlMs: 1_000,
  copy: false,
  ...more,
});
const started = (op: string, fence: bigint | undefined): Happening => ({ type: 'started', process: `of ${op}`, op, fence });
const touched = (op: string, held = true, aborted = !held): Happening => ({ type: 'touched', op, held, aborted });
const ended = (owner: string, by: 'released' | 'stolen' = 'released'): Happening => ({ type: 'ended', name: 'a', owner, by });
const worked = (op: string, threw?: string): Happening => ({ type: 'worked', op, threw });
const signalled = (op: string, loss: 'expired' | 'forgotten' = 'expired'): Happening => ({ type: 'signalled', op, loss });
const value = (op: string): Happening => ({ type: 'settled', op, how: { outcome: 'value', value: op } });
const answered = (owner: string, outcome: string, tookMs = 2, call = 'renew'): Happening => ({
  type: 'answered',
  process: `of ${owner}`,
  call,
  name: 'a',
  owner,
  outcome,
  tookMs,
});

/** Two turns after each other, as they should be. */
const good: readonly Line[] = [
  [0, ask('x')],
  [1, minted('x', 1n, 1_001)],
  [2, started('x', 1n)],
  [10, touched('x')],
  [20, worked('x')],
  [21, ended('x')],
  [22, value('x')],
  [23, ask('y')],
  [24, minted('y', 2n, 1_024)],
  [25, started('y', 2n)],
  [30, worked('y')],
  [31, ended('y')],
  [32, value('y')],
];

/** For every rule a history that breaks it, and what else it breaks. */
const bad: Record<string, { promises?: Promises; lines: readonly Line[] }> = {
  'fence-unique': { promises: { ...rough, durable: false }, lines: [...turn('x', 1n, 0), ...turn('y', 1n, 100)] },
  'fence-order': { promises: { ...rough, durable: false }, lines: [...turn('x', 7n, 0), ...turn('y', 3n, 100)] },
  'fence-ownership': {
    lines: [
      [0, ask('x')],
      [1, started('x', 9n)],
      [2, worked('x')],
      [3, value('x')],
    ],
  },
  exclusion: {
    lines: [
      [0, ask('x')],
      [0, ask('y')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [1_002, minted('y', 2n, 2_002)],
      [1_003, started('y', 2n)],
      [1_004, touched('x')],
    ],
  },
  'early-grant': {
    lines: [
      [1, minted('x', 1n, 1_001)],
      [500, minted('y', 2n, 1_500)],
    ],
  },
  'use-without-hold': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [1_002, touched('x')],
    ],
  },
  'dead-on-arrival': {
    lines: [
      [0, ask('x')],
      [1, started('x', undefined)],
    ],
  },
  'sync-abort': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, touched('x', true, true)],
    ],
  },
  'late-signal': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [1_100, signalled('x')],
    ],
  },
  'told-but-kept': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, answered('x', 'gone')],
      [4, touched('x')],
    ],
  },
  'late-yes': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, answered('x', 'granted', 2, 'acquire')],
      [2, started('x', 1n)],
      [900, { type: 'extended', name: 'a', owner: 'x', untilMs: 1_900, copy: false }],
      [1_200, answered('x', 'renewed', 310)],
      [1_201, touched('x')],
    ],
  },
  'unfounded-loss': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, signalled('x', 'forgotten')],
    ],
  },
  'needless-loss': {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [980, signalled('x')],
    ],
  },
  orphan: {
    lines: [
      [1, ask('x')],
      [2_000, { type: 'lapsed', node: 0, process: 'of x', name: 'a', owner: 'x', copy: false }],
    ],
  },
  slice: {
    lines: [
      [1, minted('x', 1n, 1_001, { process: 'p', last: 2n })],
      [1, ask('x', { process: 'p' })],
      [2, { type: 'started', process: 'p', op: 'x', fence: 1n }],
      [3, ask('y', { process: 'p' })],
      [50, { type: 'started', process: 'p', op: 'y', fence: 2n }],
    ],
  },
  'left-to-expire': {
    lines: [
      [1, minted('x', 1n, 1_001)],
      [2_000, ask('y')],
    ],
  },
  renewals: {
    lines: [
      [1, minted('x', 1n, 1_001)],
      [2, ended('x')],
      [3, { type: 'extended', name: 'a', owner: 'x', untilMs: 1_003, copy: false }],
    ],
  },
  sink: {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, { type: 'wrote', op: 'x', name: 'a', fence: 1n, accepted: false, newest: 5n, sentMs: 2 }],
    ],
  },
  callbacks: {
    lines: [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, worked('x', 'boom')],
      [4, ended('x')],
      [5, value('x')],
    ],
  },
  'fifo-store': {
    lines: [
      [0, queued('x')],
      [1, queued('y')],
      [2, minted('y', 1n, 1_002)],
      [3, ended('y')],
      [4, minted('x', 2n, 1_004)],
      [5, ended('x')],
    ],
  },
  'fifo-local': {
    lines: [
      [0, ask('x', { process: 'p' })],
      [1, ask('y', { process: 'p' })],
      [2, minted('y', 1n, 1_002, { process: 'p', last: 2n })],
      [3, { type: 'started', process: 'p', op: 'y', fence: 1n }],
      [4, worked('y')],
      [5, { type: 'started', process: 'p', op: 'x', fence: 2n }],
      [6, worked('x')],
      [7, ended('y')],
    ],
  },
  prompt: {
    promises: strict,
    lines: [
      [0, ask('x')],
      [500, minted('x', 1n, 1_500)],
      [501, started('x', 1n)],
      [502, worked('x')],
      [503, ended('x')],
    ],
  },
  settles: {
    lines: [
      [0, ask('x')],
      [1, { type: 'stuck', process: 'p', op: 'x' }],
    ],
  },
  close: { lines: [[0, { type: 'timers-left', process: 'p', count: 1 }]] },
  spinning: { lines: [[0, { type: 'spinning', events: 60_000 }]] },
};

function queued(owner: string): Happening {
  return { type: 'queued', process: `of ${owner}`, name: 'a', owner, mode: 'exclusive', copy: false };
}

function turn(op: string, fence: bigint, atMs: number): readonly Line[] {
  return [
    [atMs, ask(op)],
    [atMs + 1, minted(op, fence, atMs + 1_001)],
    [atMs + 2, started(op, fence)],
    [atMs + 3, worked(op)],
    [atMs + 4, ended(op)],
    [atMs + 5, value(op)],
  ];
}

describe('the checker', () => {
  it('finds nothing in a good history', () => {
    expect(broken(strict, ...good)).toEqual([]);
  });

  it('has a history that breaks each of its rules', () => {
    expect(Object.keys(bad).sort()).toEqual(rules.map(({ name }) => name).sort());
  });

  for (const [rule, { promises, lines }] of Object.entries(bad)) {
    it(`${rule}: ${rules.find(({ name }) => name === rule)?.promise}`, () => {
      expect(broken(promises ?? strict, ...lines)).toContain(rule);
    });
  }

  it('does not ask exclusion of a store that forgets', () => {
    const lines = bad['exclusion']?.lines ?? [];
    expect(broken({ ...rough, durable: false }, ...lines)).not.toContain('exclusion');
  });

  it('does not blame a holder for what was stolen from it before it could know', () => {
    const lines: readonly Line[] = [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [3, ended('x', 'stolen')],
      [3, minted('y', 2n, 1_003)],
      [4, touched('x')],
    ];
    expect(broken(rough, ...lines)).not.toContain('use-without-hold');
  });

  it('takes the time that a process stood still off the lateness of a signal', () => {
    const lines: readonly Line[] = [
      [0, ask('x')],
      [1, minted('x', 1n, 1_001)],
      [2, started('x', 1n)],
      [50, { type: 'fault', what: 'pause', process: 'of x', fromMs: 50, toMs: 3_000 }],
      [3_000, signalled('x')],
    ];
    expect(broken(rough, ...lines)).not.toContain('late-signal');
  });
});
