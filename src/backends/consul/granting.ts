import type { Ask } from '../../core/backend.js';
import type { Keys, NameKeys } from './keys.js';
import { isAbsent, isAt, isThere, type KeyValue, lock, type Op, opsMax, remove, removeAt, set, unlock } from './ops.js';
import type { Session } from './sessions.js';
import { holdText, lineText, placeText, readersText, type Text } from './values.js';
import { isOver, type View } from './view.js';

/** What a grant or a place rests on, for one owner and name. */
export interface Terms {
  readonly ask: Ask;
  readonly id: string;
  readonly keys: NameKeys;
  readonly all: Keys;
}

export interface Granting {
  readonly ops: readonly Op[];
  /** Where the hold will stand, and what. */
  readonly key: string;
  readonly text: Text;
}

/** Holds that are over and taken away by one transaction: each takes two steps, and the grant itself up to twelve. */
const sweptMax = Math.floor((opsMax - 12) / 2);

/**
 * The transaction that grants what this view shows to be free. It fails if that is so no more: every grant changes `lock` or finds it
 * absent, and whoever queues changes `line`.
 */
export function grant({ ask, id, keys, all }: Terms, view: View, epoch: number, session: Session): Granting {
  const isReader = ask.mode === 'shared';
  const key = isReader ? keys.reader(id) : keys.lock;
  const text = holdText(ask, id, epoch);
  const value = JSON.stringify(text);
  const welcome = [isThere(all.epochOf(epoch)), isAbsent(all.mark(id))];
  const door = isReader ? readersDoor(keys, view, id, session) : doorFor(keys, view);
  const ops = [...welcome, ...door, ...leaveLine(keys, view, id), lock(key, session.id, value)];
  return { ops, key, text };
}

/** For a writer: nobody holds, and `lock` is as it was seen. */
function doorFor(keys: NameKeys, view: View): readonly Op[] {
  return [...swept(view, keys), ...(view.lock === undefined ? [isAbsent(keys.lock)] : removeAt(view.lock))];
}

/** For a reader: no writer holds. What stands at `lock` is written anew, so that a writer who has seen it before is refused. */
function readersDoor(keys: NameKeys, view: View, id: string, session: Session): readonly Op[] {
  const value = readersText(id);
  const { lock: seen } = view;
  const writer = view.holders.find((holder) => holder.kv.key === keys.lock);
  if (seen !== undefined && writer === undefined) return [isAt(seen), set(keys.lock, value)];
  // Locked for a moment: else the delay after a writer's session was ended would not be heeded.
  const clear = seen === undefined ? [isAbsent(keys.lock)] : removeAt(seen);
  return [...clear, lock(keys.lock, session.id, value), unlock(keys.lock, session.id, value)];
}

/** Readers whose time is over. */
function swept(view: View, keys: NameKeys): readonly Op[] {
  const over = view.holders.filter((holder) => isOver(holder) && holder.kv.key !== keys.lock);
  return over.slice(0, sweptMax).flatMap(({ kv }) => removeAt(kv));
}

function leaveLine(keys: NameKeys, view: View, id: string): readonly Op[] {
  const own = view.places.some((place) => place.id === id) ? [remove(keys.place(id))] : [];
  const isLast = view.places.every((place) => place.id === id);
  if (!isLast) return own;
  return view.line === undefined ? [...own, isAbsent(keys.line)] : [...own, ...removeAt(view.line)];
}

/** Whether a transaction has room for all of those that it would have to take away. */
export function isTooMuch(view: View): boolean {
  return view.holders.filter(isOver).length > sweptMax;
}

export function sweep(kvs: readonly Pick<KeyValue, 'key' | 'modifyIndex'>[]): readonly Op[] {
  return kvs.slice(0, sweptMax).flatMap(removeAt);
}

/** A place at the end of the line. */
export function enqueue({ ask, id, keys, all }: Terms, session: Session): Granting {
  const key = keys.place(id);
  const text = placeText(ask, id);
  const ops = [isAbsent(all.mark(id)), isAbsent(key), set(keys.line, lineText(id)), lock(key, session.id, JSON.stringify(text))];
  return { ops, key, text };
}
