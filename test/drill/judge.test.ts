import { describe, expect, it } from 'vitest';
import { exclusion, fences, firstTouch, lateWrite, needlessRefusals, overlapMs, overtakes, owed } from '../../src/drill/judge.js';
import { promises } from '../../src/drill/promises.js';
import type { Note } from '../../src/drill/protocol.js';
import { turnsOf } from '../../src/drill/turns.js';
import { proseOf } from '../docs/files.js';

const ask = (worker: string, atMs: number): Note => ({ type: 'asked', worker, turn: 1, atMs });
const grant = (worker: string, atMs: number, fence: number): Note => ({
  type: 'granted',
  worker,
  turn: 1,
  atMs,
  fence: String(fence),
});
const held = (worker: string, atMs: number, remainingMs = 1_000): Note => ({
  type: 'touched',
  worker,
  turn: 1,
  atMs,
  held: true,
  remainingMs,
});
const refused = (worker: string, atMs: number, aborted = true): Note => ({
  type: 'touched',
  worker,
  turn: 1,
  atMs,
  held: false,
  aborted,
});
const lost = (worker: string, atMs: number): Note => ({ type: 'lost', worker, turn: 1, atMs, loss: 'expired', lagMs: 0 });
const releasing = (worker: string, atMs: number): Note => ({ type: 'releasing', worker, turn: 1, atMs });
const sank = (worker: string, atMs: number, fence: number, accepted: boolean): Note => ({
  type: 'sank',
  worker,
  turn: 1,
  atMs,
  id: 1,
  fence: String(fence),
  mark: '0',
  accepted,
});

describe('the judge of a drill', () => {
  it('two at once: the second had its fence before the first began a touch that said yes', () => {
    const notes = [grant('a', 10, 1), held('a', 20), grant('b', 15, 2)];
    expect(exclusion(turnsOf(notes))).toMatchObject({ held: false, seen: 'two at once, for 5 ms' });
    expect(exclusion(turnsOf([grant('a', 10, 1), held('a', 20), grant('b', 21, 2)])).held).toBe(true);
    // A touch that said no is no belief, however late.
    expect(exclusion(turnsOf([...notes.slice(0, 2), grant('b', 21, 2), refused('a', 30)])).held).toBe(true);
  });

  it('a hold that an operator ended does not count from then on, nor does a killed process', () => {
    const ended = (type: 'revoked' | 'killed'): Note => ({ type, worker: 'a', atMs: 12 });
    for (const type of ['revoked', 'killed'] as const) {
      expect(overlapMs(turnsOf([grant('a', 10, 1), ended(type), grant('b', 13, 2), held('a', 20)]))).toBe(0);
    }
    expect(overlapMs(turnsOf([grant('a', 10, 1), grant('b', 11, 2), held('a', 20), ended('revoked')]))).toBe(1);
  });

  it('an early hand-over: a lease that was not given back is owed until its deadline', () => {
    const notes = [grant('a', 10, 1), held('a', 20, 100)];
    expect(owed(turnsOf([...notes, grant('b', 119, 2)]))).toMatchObject({ held: false, seen: '1 ms before its end' });
    expect(owed(turnsOf([...notes, grant('b', 121, 2)])).held).toBe(true);
    expect(owed(turnsOf([...notes, releasing('a', 30), grant('b', 31, 2)])).held).toBe(true);
    expect(owed(turnsOf([...notes, releasing('a', 40), grant('b', 31, 2)])).held).toBe(false);
  });

  it('the order of the asks: who has a place is not overtaken, unless it let its turn go by', () => {
    const waiting = (worker: string, atMs: number): Note => ({ type: 'waiting', worker, turn: 1, atMs });
    const queue = [ask('a', 1), grant('a', 2, 1), ask('b', 3), waiting('b', 4), releasing('a', 10)];
    const after = (askedMs: number, atMs: number) => overtakes(turnsOf([...queue, ask('c', askedMs), grant('c', atMs, 2)]), 50);
    expect(after(5, 20)).toBe(1);
    // Asked before the other one had its place; or served when the other one had let its turn go by.
    expect(after(3.5, 20)).toBe(0);
    expect(after(5, 70)).toBe(0);
  });

  it('fences: in the order of the grants, not of the workers', () => {
    expect(fences(turnsOf([grant('a', 20, 7), grant('b', 10, 6)])).held).toBe(true);
    expect(fences(turnsOf([grant('a', 10, 7), grant('b', 20, 7)]))).toMatchObject({ held: false, seen: '7 after 7' });
  });

  it('the first touch after a standstill has to find the loss, and with an aborted signal', () => {
    const before = [ask('a', 1), grant('a', 10, 1), held('a', 20)];
    const after = (...notes: readonly Note[]) => firstTouch(turnsOf([...before, ...notes])[0], 50);
    expect(after(lost('a', 60), refused('a', 60)).held).toBe(true);
    expect(after(held('a', 51), lost('a', 60), refused('a', 60))).toMatchObject({
      held: false,
      seen: 'believed in it 1 times more',
    });
    expect(after(lost('a', 60), refused('a', 60, false)).held).toBe(false);
    expect(after()).toMatchObject({ held: false, seen: 'did not touch it again' });
  });

  it('the sink: a late write has to be refused, that of a holder must not be', () => {
    const both = (accepted: boolean) =>
      turnsOf([grant('a', 10, 1), grant('b', 20, 2), sank('b', 25, 2, true), sank('a', 30, 1, accepted)]);
    const [late, next] = [(accepted: boolean) => both(accepted)[0], both(true)[1]];
    expect(lateWrite(late(false), next).held).toBe(true);
    expect(lateWrite(late(true), next).held).toBe(false);
    expect(lateWrite(undefined, next).held).toBe(false);
    expect(needlessRefusals(turnsOf([grant('a', 10, 1), sank('a', 12, 1, false), held('a', 13)])).held).toBe(false);
    expect(needlessRefusals(turnsOf([grant('a', 10, 1), sank('a', 12, 1, false), refused('a', 13)])).held).toBe(true);
  });
});

it('every promise is written down where the report says', () => {
  const headings = [...proseOf('docs/guarantees.md').matchAll(/^#{2,3} (.+)$/gm)].map(([, text = '']) =>
    text
      .toLowerCase()
      .replace(/[^a-z0-9 -]/g, '')
      .replaceAll(' ', '-'),
  );
  for (const { anchor } of Object.values(promises)) expect(headings).toContain(anchor);
});
