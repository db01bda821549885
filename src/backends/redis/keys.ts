import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, type LockName } from '../../core/name.js';

/**
 * Where a name lies. Braces are percent-encoded (encodeName makes no `%7B` of anything else), so the hash tag of the
 * siblings, `{key}:fence` and others, is the whole key: all of them share its slot, and no key of one name is another's.
 */
export class Keys {
  readonly prefix: string;

  constructor(prefix: string) {
    this.prefix = prefix;
  }

  /** @throws InvalidArgumentError for the empty name without a prefix: an empty key has no siblings in its slot */
  of(name: LockName): string {
    const key = this.prefix + withoutBraces(name.encoded);
    if (key === '') throw new InvalidArgumentError('the empty name needs a key prefix on Redis: give redis() a prefix');
    return key;
  }

  nameOf(key: string): string {
    return decodeName(key.slice(this.prefix.length));
  }

  /** Patterns for SCAN: the locks whose name starts so, held or not. They may match a little more than that. */
  patterns(namePrefix: string): { readonly locks: string; readonly waited: string } {
    // Half of a surrogate pair at the end is encoded otherwise when the other half follows.
    const whole = namePrefix.replace(/[\ud800-\udbff]$/, '');
    const start = glob(this.prefix + withoutBraces(encodeName(whole)));
    return { locks: start === '' ? '[^{]*' : `${start}*`, waited: `{${start}*}:who` };
  }

  /** Keys that end like this name's, in upper or lower case. */
  endingPattern(name: LockName): string {
    const ending = withoutBraces(name.encoded).replaceAll(/./gsu, (char) => {
      const [lower, upper] = [char.toLowerCase(), char.toUpperCase()];
      return lower === upper || lower.length + upper.length > 2 ? glob(char) : `[${lower}${upper}]`;
    });
    return `*${ending}`;
  }

  /** The same for records. */
  recordPattern(keyPrefix: string): string {
    const start = glob(this.prefix + withoutBraces(encodeName(keyPrefix.replace(/[\ud800-\udbff]$/, ''))));
    return siblingOf(`${start}*`, 'record');
  }

  /** The lock that `{key}:who` belongs to. */
  static lockOf(who: string): string {
    return Keys.lockOfSibling(who, 'who');
  }

  static lockOfSibling(sibling: string, name: string): string {
    return sibling.slice(1, -`}:${name}`.length);
  }
}

/** The key of one of a lock's siblings, as the scripts make it. */
export function siblingOf(lock: string, name: string): string {
  return `{${lock}}:${name}`;
}

const prefixBytesMax = 256;

/** @throws InvalidArgumentError */
export function parsePrefix(prefix: unknown): string {
  if (typeof prefix !== 'string' || /[{}\s]|[\ud800-\udfff]/u.test(prefix) || Buffer.byteLength(prefix) > prefixBytesMax) {
    throw new InvalidArgumentError(
      `the key prefix must be a string of at most ${prefixBytesMax} bytes without spaces and braces, not ${JSON.stringify(prefix)}: braces would take a lock and its queue apart in a Cluster`,
    );
  }
  return prefix;
}

function withoutBraces(encoded: string): string {
  if (!encoded.includes('{') && !encoded.includes('}')) return encoded;
  return encoded.replaceAll('{', '%7B').replaceAll('}', '%7D');
}

/** Text that a MATCH pattern takes literally. */
function glob(text: string): string {
  return text.replace(/[*?[\]\\^-]/g, '\\$&');
}
