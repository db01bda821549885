import { InvalidArgumentError } from '../../core/errors.js';
import { decodeName, encodeName, type LockName } from '../../core/name.js';

/** Where names lie: the prefix, then the encoded name. */
export class Keys {
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** @throws InvalidArgumentError for the empty name without a prefix: DynamoDB has no empty keys */
  of(name: LockName): string {
    const key = this.#prefix + name.encoded;
    if (key === '') throw new InvalidArgumentError('the empty name needs a prefix on DynamoDB: give dynamodb() one');
    return key;
  }

  /** Of a record: no name is encoded with `%r`. */
  ofRecord(name: LockName): string {
    return `${this.#prefix}%record:${name.encoded}`;
  }

  /** What the keys of such records start with; they may be a few more. */
  startOfRecords(keyPrefix: string): string {
    return `${this.#prefix}%record:${encodeName(keyPrefix.replace(/[\ud800-\udbff]$/, ''))}`;
  }

  recordKey(key: string): string {
    return decodeName(key.slice(`${this.#prefix}%record:`.length));
  }

  nameOf(key: string): string {
    return decodeName(key.slice(this.#prefix.length));
  }

  /** What the keys of such names start with; they may be a few more. */
  startOf(namePrefix: string): string {
    // Half of a surrogate pair at the end is encoded otherwise when the other half follows.
    return this.#prefix + encodeName(namePrefix.replace(/[\ud800-\udbff]$/, ''));
  }
}
