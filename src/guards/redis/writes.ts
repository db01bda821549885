import { Buffer } from 'node:buffer';
import { InvalidArgumentError } from '../../core/errors.js';

/** Collects what `run` writes, in one script with the check. Values are texts; a number is written as its text. */
export interface RedisWrites {
  /** Whatever stood there. Without `ttlMs` it stays until it is changed. */
  set(key: string, value: string | number, options?: { readonly ttlMs?: number }): void;
  del(key: string): void;
  hset(key: string, fields: Readonly<Record<string, string | number>>): void;
  hdel(key: string, ...fields: string[]): void;
  /** By a whole number. The only write to this key in one run. */
  incrBy(key: string, by: number | bigint): void;
  rpush(key: string, ...values: string[]): void;
  sadd(key: string, ...members: string[]): void;
  srem(key: string, ...members: string[]): void;
  zadd(key: string, score: number, member: string): void;
  /** With an id of the server's. */
  xadd(key: string, fields: Readonly<Record<string, string | number>>): void;
}

/** Lua's stack takes that many arguments of one command. */
const argumentsMax = 4_000;
const valueBytesMax = 512 * 1_024 * 1_024;
const integerMax = 2n ** 63n;

export class Writes implements RedisWrites {
  /** Command, key, further arguments. */
  readonly all: (readonly string[])[] = [];
  #sealed = false;

  set(key: string, value: string | number, { ttlMs }: { readonly ttlMs?: number } = {}): void {
    if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs > 0)) {
      throw new InvalidArgumentError(`ttlMs is ${ttlMs}: give a whole number of milliseconds above 0, or none`);
    }
    this.#add('SET', key, [text(value), ...(ttlMs === undefined ? [] : ['PX', String(ttlMs)])]);
  }

  del(key: string): void {
    this.#add('DEL', key, []);
  }

  hset(key: string, fields: Readonly<Record<string, string | number>>): void {
    this.#add('HSET', key, some(pairs(fields)));
  }

  hdel(key: string, ...fields: string[]): void {
    this.#add('HDEL', key, some(fields));
  }

  incrBy(key: string, by: number | bigint): void {
    const whole = typeof by === 'bigint' || Number.isSafeInteger(by);
    if (!whole || BigInt(by) >= integerMax || BigInt(by) <= -integerMax) {
      throw new InvalidArgumentError(`incrBy needs a whole number within 64 bits, not ${String(by)}`);
    }
    this.#add('INCRBY', key, [String(by)]);
  }

  rpush(key: string, ...values: string[]): void {
    this.#add('RPUSH', key, some(values));
  }

  sadd(key: string, ...members: string[]): void {
    this.#add('SADD', key, some(members));
  }

  srem(key: string, ...members: string[]): void {
    this.#add('SREM', key, some(members));
  }

  zadd(key: string, score: number, member: string): void {
    if (!Number.isFinite(score)) throw new InvalidArgumentError(`a score is a finite number, not ${score}`);
    this.#add('ZADD', key, [String(score), member]);
  }

  xadd(key: string, fields: Readonly<Record<string, string | number>>): void {
    this.#add('XADD', key, ['*', ...some(pairs(fields))]);
  }

  /** The work is over: what comes later would not be written. */
  seal(): void {
    this.#sealed = true;
  }

  #add(command: string, key: string, args: readonly string[]): void {
    if (this.#sealed)
      throw new InvalidArgumentError('the work is over, and what is added now would not be written: await all of it');
    for (const arg of [key, ...args]) {
      if (typeof arg !== 'string')
        throw new InvalidArgumentError(`keys and values are texts or finite numbers, not ${typeof arg}`);
      if (Buffer.byteLength(arg) > valueBytesMax) throw new InvalidArgumentError('Redis takes texts of up to 512 MB');
    }
    if (args.length > argumentsMax) {
      throw new InvalidArgumentError(`one write may have ${argumentsMax} arguments, not ${args.length}: make several of it`);
    }
    const others = this.all.filter(([, written]) => written === key);
    if (others.length > 0 && (command === 'INCRBY' || others.some(([before]) => before === 'INCRBY'))) {
      throw new InvalidArgumentError(`incrBy must be the only write to ${JSON.stringify(key)} in one run: add up before`);
    }
    this.all.push([command, key, ...args]);
  }
}

function text(value: string | number): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new InvalidArgumentError(`${value} is no number to be stored`);
  return typeof value === 'number' ? String(value) : value;
}

function pairs(fields: Readonly<Record<string, string | number>>): string[] {
  return Object.entries(fields).flatMap(([field, value]) => [field, text(value)]);
}

function some(args: string[]): string[] {
  if (args.length === 0) throw new InvalidArgumentError('this write is of nothing: leave it out');
  return args;
}
