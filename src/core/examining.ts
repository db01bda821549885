import type { LockRecord } from './backend.js';
import type { Ports } from './clock.js';
import type { Examination, ForeignLock, NamePause, Rival } from './examination.js';
import { type LockName, parseName } from './name.js';

export const nothingInTheWay: Examination = { foreign: [], pauses: [], rivals: [] };

/** Between two looks: longer than a hand-over takes, shorter than a claim window. */
const againMs = 300;

/**
 * What is seen twice. One look alone catches others in the middle of a grant or a hand-over, which stands in nobody's way. A name with
 * nothing to see costs one look.
 *
 * @throws what a look throws
 */
export async function seenTwice(ports: Ports, look: () => Promise<Examination>): Promise<Examination> {
  const first = await look();
  if (first.foreign.length + first.pauses.length + first.rivals.length === 0) return first;
  await new Promise<void>((resolve) => ports.timer(againMs, resolve));
  const second = await look();
  return {
    foreign: inBoth(first.foreign, second.foreign, ({ key }: ForeignLock) => [key]),
    pauses: inBoth(first.pauses, second.pauses, ({ because, of }: NamePause) => [because, of]),
    rivals: inBoth(first.rivals, second.rivals, ({ where, key, ownerDigest }: Rival) => [where, key, ownerDigest]),
  };
}

function inBoth<T>(first: readonly T[], second: readonly T[], idOf: (one: T) => readonly string[]): readonly T[] {
  const seen = new Set(first.map((one) => JSON.stringify(idOf(one))));
  return second.filter((one) => seen.has(JSON.stringify(idOf(one))));
}

/** A hold that is seen beside the name. @param where it is, if its key does not tell */
export function rivalOf(record: LockRecord, differs: Rival['differs'], where = record.key): Rival {
  const { name, key, ownerDigest, node, fence, expiresInMs } = record;
  const known = { ...(fence === undefined ? {} : { fence }), ...(expiresInMs === undefined ? {} : { expiresInMs }) };
  return { where, differs, name, key, ownerDigest, node, ...known };
}

/** The same name in other letters, as somebody may have written it by mistake: few, so that each can be looked up by its key. */
export function otherLetters({ text }: LockName): readonly LockName[] {
  const first = text.slice(0, 1);
  const variants = [
    text.toLowerCase(),
    text.toUpperCase(),
    first.toUpperCase() + text.slice(1),
    first.toLowerCase() + text.slice(1),
    first.toUpperCase() + text.slice(1).toLowerCase(),
  ];
  // Some letters are longer in the other case, and then it is a name that nobody can have.
  return [...new Set(variants)].flatMap((variant) => (variant === text || variant.length !== text.length ? [] : nameOf(variant)));
}

function nameOf(text: string): readonly LockName[] {
  try {
    return [parseName(text)];
  } catch {
    return [];
  }
}

/** Who is waited for, as a pause shows it. */
export function waiterText(ownerDigest: string, { host, pid }: { readonly host: string; readonly pid: number }): string {
  return `waiter ${ownerDigest} (${host}, process ${pid})`;
}
