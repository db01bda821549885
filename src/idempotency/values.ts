import { Buffer } from 'node:buffer';
import { BackendCorruptError } from '../core/errors.js';

/** What is kept of an answer exactly as it was: JSON, bytes, and both within each other. */
export type Keepable =
  | undefined
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Keepable[]
  | { readonly [name: string]: Keepable };

/** An answer in a record. */
export type Encoded =
  | { readonly kept: true; readonly text: string }
  /** The tombstone of an answer that was too large, or neither JSON nor bytes, or for which the store had no room. */
  | { readonly kept: false; readonly because: NotKeptBecause; readonly bytes: number | undefined };

/** `no-room`: the store was full. */
export type NotKeptBecause = 'too-large' | 'not-json' | 'no-room';

/** Nesting beyond this is taken for a mistake: JSON of such a depth overflows stacks elsewhere. */
const depthMax = 200;

class NotKeepable extends Error {}

/** Never throws: what cannot be kept leaves a tombstone, because by now the work is done. */
export function encodeAnswer(value: unknown, bytesMax: number): Encoded {
  let text: string;
  try {
    text = JSON.stringify(tagged(value, 0));
  } catch {
    // A getter or a proxy of the user's may throw anything.
    return { kept: false, because: 'not-json', bytes: undefined };
  }
  const bytes = Buffer.byteLength(text);
  return bytes > bytesMax ? { kept: false, because: 'too-large', bytes } : { kept: true, text };
}

/** A new value every time: whoever changes it changes no other replay. @throws BackendCorruptError */
export function decodeAnswer(text: string): Keepable {
  try {
    return untagged(JSON.parse(text));
  } catch (cause) {
    throw new BackendCorruptError('the answer in an idempotency record is damaged: find out who wrote it', { cause });
  }
}

/** What JSON has no word for becomes an object with one `$` name; a user's own names that start with `$` get another one. */
function tagged(value: unknown, depth: number): unknown {
  if (depth > depthMax) throw new NotKeepable();
  switch (typeof value) {
    case 'undefined':
      return { $undefined: true };
    case 'boolean':
    case 'string':
      return value;
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $number: Object.is(value, -0) ? '-0' : String(value) };
    case 'object':
      return value === null ? null : taggedObject(value, depth);
    default:
      throw new NotKeepable();
  }
}

function taggedObject(value: object, depth: number): unknown {
  if (value instanceof Uint8Array) {
    return { $bytes: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64') };
  }
  if (Array.isArray(value)) return Array.from(value, (item) => tagged(item, depth + 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  // A Date, a Map or a class of the user's would come back as something else.
  if (prototype !== null && prototype !== Object.prototype) throw new NotKeepable();
  if (Object.getOwnPropertySymbols(value).length > 0) throw new NotKeepable();
  const entries = Object.entries(value).map(([name, item]) => [
    name.startsWith('$') ? `$${name}` : name,
    tagged(item, depth + 1),
  ]);
  return Object.fromEntries(entries) as unknown;
}

function untagged(value: unknown): Keepable {
  if (typeof value !== 'object' || value === null) return value as Keepable;
  if (Array.isArray(value)) return value.map(untagged);
  const entries = Object.entries(value);
  const [name, item] = entries[0] ?? [];
  if (entries.length === 1 && name === '$undefined') return undefined;
  if (entries.length === 1 && name === '$number') return Number(item);
  if (entries.length === 1 && name === '$bytes') return Uint8Array.from(Buffer.from(String(item), 'base64'));
  return Object.fromEntries(entries.map(([key, inner]) => [key.startsWith('$') ? key.slice(1) : key, untagged(inner)]));
}
