import { BackendCorruptError } from '../../../core/errors.js';
import { decodeName, encodeName } from '../../../core/name.js';
import type { LogEntry } from '../../../core/request-log.js';
import type { KeyValue } from '../wire/messages.js';

/** Fences and terms in keys and values: as wide as 2^63, so that they sort as numbers do. */
const digits = 19;

/** Where the log lies: `PREFIX %log/REQUEST/FENCE/KIND`, and `PREFIX %log/REQUEST/term`. No name is encoded with `%l`. */
export class LogKeys {
  readonly root: string;

  constructor(prefix: string) {
    this.root = `${prefix}%log/`;
  }

  request(recordKey: string): string {
    return `${this.root}${encodeName(recordKey).replaceAll('/', '%2F')}/`;
  }

  entry(recordKey: string, fence: bigint, kind: string): string {
    return `${this.request(recordKey)}${padded(fence)}/${kind}`;
  }

  term(recordKey: string): string {
    return `${this.request(recordKey)}term`;
  }

  /** Of any key of the log. */
  recordKeyOf(key: string): string {
    return decodeName(key.slice(this.root.length).split('/')[0] ?? '');
  }
}

export function padded(number: bigint): string {
  return String(number).padStart(digits, '0');
}

/** The first key that does not start so: `key` ends with a slash, and `0` is the next character. */
export function endOf(key: string): string {
  return `${key.slice(0, -1)}0`;
}

export function isEntry({ key }: KeyValue): boolean {
  return /\/\d+\/[^/]+$/.test(key);
}

const bigints: ReadonlySet<string> = new Set(['fence', 'term']);

export function formatEntry(entry: Omit<LogEntry, 'position'>): string {
  return JSON.stringify({ holdfast: 1, ...entry }, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value));
}

/** @throws BackendCorruptError */
export function parseEntry(kv: KeyValue): LogEntry {
  try {
    const { holdfast, ...entry } = JSON.parse(kv.value, (name, value: unknown) =>
      bigints.has(name) ? BigInt(value as string) : value,
    ) as LogEntry & { readonly holdfast: number };
    if (holdfast === 1 && typeof entry.kind === 'string') return { ...entry, position: kv.createRevision };
  } catch {
    // Told below.
  }
  throw new BackendCorruptError(`the key ${kv.key} holds no entry of a log: find out who wrote it, and delete it`);
}
