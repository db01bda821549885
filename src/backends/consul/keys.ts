import { ownerHash } from '../../core/clock.js';
import { decodeName, encodeName, type LockName } from '../../core/name.js';

/**
 * Where a name lies: `PREFIX locks/NAME/` and then `lock`, `read/ID`, `wait/ID`, `line`. Slashes of the name are percent-encoded
 * (encodeName makes no `%2F` of anything else), so the first one ends it; and so are `.` and `..` between them.
 */
export class NameKeys {
  /** Below it is all of this name. */
  readonly base: string;
  /** The exclusive hold; or, while readers hold, what writers stumble over. */
  readonly lock: string;
  /** There as long as somebody may be waiting. */
  readonly line: string;
  readonly readers: string;

  constructor(base: string) {
    this.base = base;
    this.lock = `${base}lock`;
    this.line = `${base}line`;
    this.readers = `${base}read/`;
  }

  reader(id: string): string {
    return this.readers + id;
  }

  place(id: string): string {
    return `${this.base}wait/${id}`;
  }
}

/** What a key says of itself. */
export interface KeyParts {
  readonly name: string;
  readonly kind: 'lock' | 'line' | 'read' | 'wait';
  readonly id: string;
}

export class Keys {
  readonly prefix: string;
  /** Which epoch is the present one. */
  readonly epoch: string;

  constructor(prefix: string) {
    this.prefix = prefix;
    this.epoch = `${prefix}epoch`;
  }

  of({ encoded }: LockName): NameKeys {
    return new NameKeys(`${this.prefix}locks/${asPart(encoded)}/`);
  }

  /** There for as long as this epoch is the present one: Consul compares no values, but it can tell what is there. */
  epochOf(value: number): string {
    return `${this.epoch}/${value}`;
  }

  /** Of owners that must not come back. */
  mark(id: string): string {
    return `${this.prefix}over/${id}`;
  }

  record({ encoded }: LockName): string {
    return `${this.prefix}records/${asPart(encoded)}`;
  }

  /** What all keys of names that start so start with; and maybe a few others. */
  startingWith(namePrefix: string): string {
    // Half of a surrogate pair at the end is encoded otherwise when the other half follows; and so are dots, by what follows.
    const whole = namePrefix.replace(/(?:[\ud800-\udbff]|\.+)$/, '');
    return `${this.prefix}locks/${asPart(encodeName(whole))}`;
  }

  /** What all records start with whose keys start so; and maybe a few others. */
  recordsStartingWith(keyPrefix: string): string {
    return `${this.prefix}records/${asPart(encodeName(keyPrefix.replace(/(?:[\ud800-\udbff]|\.+)$/, '')))}`;
  }

  recordKey(key: string): string {
    return decodeName(key.slice(`${this.prefix}records/`.length));
  }

  /** Undefined for keys that are of no lock. */
  parse(key: string): KeyParts | undefined {
    const start = `${this.prefix}locks/`;
    if (!key.startsWith(start)) return undefined;
    const match = /^([^/]*)\/(?:(lock|line)|(read|wait)\/([^/]+))$/.exec(key.slice(start.length));
    if (match === null) return undefined;
    const [, encoded = '', single, several, id = ''] = match;
    return { name: decodeName(encoded), kind: (single ?? several) as KeyParts['kind'], id };
  }
}

const idChars = 32;

/** What stands for an owner in the store, which anybody may see: the first digits of its SHA-256, of which `ownerDigest` shows twelve. */
export function idOf(owner: string): string {
  return ownerHash(owner).slice(0, idChars);
}

/** As one part of a path. What stands for a folder in paths is encoded so that neither an address nor Consul takes it for one. */
function asPart(encoded: string): string {
  if (!/[/.]/.test(encoded)) return encoded;
  return encoded.replace(/(?<=^|\/)\.{1,2}(?=$|\/)/g, (dots) => '%u002E'.repeat(dots.length)).replaceAll('/', '%2F');
}
