import { ownerHash } from '../../core/clock.js';
import type { Mode } from '../../core/backend.js';
import { decodeName, encodeName, type LockName } from '../../core/name.js';

/**
 * Where a name lies: `PREFIX NAME /held/MODE/ID`, `/queue/MODE/ID`, `/ended/ID`, `/record`. Slashes of the name are
 * percent-encoded (encodeName makes no `%2F` of anything else), so the first one ends it, and no key of one name is in a range of
 * another's. Who holds and who waits are neighbours: one range has both.
 */
export class NameKeys {
  readonly base: string;

  constructor(base: string) {
    this.base = base;
  }

  get held(): Range {
    return rangeOf(`${this.base}/held/`);
  }

  get queue(): Range {
    return rangeOf(`${this.base}/queue/`);
  }

  heldBy(mode: Mode): Range {
    return rangeOf(`${this.base}/held/${mode}/`);
  }

  queuedFor(mode: Mode): Range {
    return rangeOf(`${this.base}/queue/${mode}/`);
  }

  /** Everybody, whether holding or waiting. */
  get all(): Range {
    return { key: `${this.base}/held/`, rangeEnd: `${this.base}/queue0` };
  }

  hold(mode: Mode, id: string): string {
    return `${this.base}/held/${mode}/${id}`;
  }

  place(mode: Mode, id: string): string {
    return `${this.base}/queue/${mode}/${id}`;
  }

  mark(id: string): string {
    return `${this.base}/ended/${id}`;
  }

  get record(): string {
    return `${this.base}/record`;
  }
}

export interface Range {
  readonly key: string;
  readonly rangeEnd: string;
}

/** What a key says of itself. */
export interface KeyParts {
  readonly name: string;
  readonly kind: 'held' | 'queue';
  readonly mode: Mode;
  readonly id: string;
}

export class Keys {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  of(name: LockName): NameKeys {
    return new NameKeys(this.prefix + withoutSlashes(name.encoded));
  }

  /** What all fences start from. Without a slash after it: it is no name's. */
  get epoch(): string {
    return `${this.prefix}~epoch`;
  }

  /** Of all names that start so, and maybe a few more. */
  startingWith(namePrefix: string): { readonly key: string; readonly rangeEnd: Uint8Array } {
    // Half of a surrogate pair at the end is encoded otherwise when the other half follows.
    const whole = namePrefix.replace(/[\ud800-\udbff]$/, '');
    const key = this.prefix + withoutSlashes(encodeName(whole));
    return { key, rangeEnd: after(key) };
  }

  /** Undefined for keys of no record. */
  recordKey(key: string): string | undefined {
    const match = /^([^/]*)\/record$/.exec(key.slice(this.prefix.length));
    return match === null || !key.startsWith(this.prefix) ? undefined : decodeName(match[1] ?? '');
  }

  /** Undefined for keys that are no hold and no place. */
  parse(key: string): KeyParts | undefined {
    const match = /^([^/]*)\/(held|queue)\/(exclusive|shared)\/([^/]+)$/.exec(key.slice(this.prefix.length));
    if (match === null || !key.startsWith(this.prefix)) return undefined;
    const [, encoded = '', kind, mode, id = ''] = match;
    return { name: decodeName(encoded), kind: kind as KeyParts['kind'], mode: mode as Mode, id };
  }
}

const idChars = 32;

/** What stands for an owner in keys, which anybody may see: the first digits of its SHA-256, of which `ownerDigest` shows twelve. */
export function idOf(owner: string): string {
  return ownerHash(owner).slice(0, idChars);
}

export function digestOf(id: string): string {
  return id.slice(0, 12);
}

/** `key` ends with a slash; `0` is the next character. */
function rangeOf(key: string): Range {
  return { key, rangeEnd: `${key.slice(0, -1)}0` };
}

/** The first key that does not start so. UTF-8 has no byte 0xff. */
function after(key: string): Uint8Array {
  const bytes = new TextEncoder().encode(key);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] as number) + 1;
  return bytes;
}

function withoutSlashes(encoded: string): string {
  return encoded.includes('/') ? encoded.replaceAll('/', '%2F') : encoded;
}
