import { randomBytes } from 'node:crypto';
import { messageOf } from '../../core/calls.js';
import { refuseUnknown } from '../../core/checks.js';
import {
  BackendCorruptError,
  BackendUnavailableError,
  InvalidArgumentError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../core/errors.js';
import { checkedResource, checkedWrite, type FencedWrite, type Guard, refuseStale } from '../../core/guard.js';
import { SinkCalls } from '../calls.js';
import type { Expiry } from '../expiry.js';
import { type Driver, driverOf, isReply, type RedisClient } from './client.js';
import { runsRemembered, runsRememberedMs, scripts } from './script.js';
import { type RedisWrites, Writes } from './writes.js';

export type { FencedWrite, Guard } from '../../core/guard.js';
export type { Ioredis, NodeRedis, RedisClient } from './client.js';
export type { RedisWrites } from './writes.js';

export interface RedisGuardOptions {
  /** In front of the keys of the marks. Default: `holdfast:mark:`. */
  readonly prefix?: string;
  /** Names the sink in errors. Default: `redis`. */
  readonly sink?: string;
  /** How long one call may take. Default: 5,000. */
  readonly commandTimeoutMs?: number;
}

export interface RedisGuard extends Guard<RedisWrites> {
  /**
   * The hash tag of a resource, such as `{account:7}`. In a Redis Cluster every key that is written for the resource must have it, so that it lies in
   * the same slot as the mark: `${guard.tag('account:7')}:balance`.
   */
  tag(resource: string): string;
}

/**
 * Guards keys of a Redis or Valkey (6.2 or later): the mark of each resource is a key without a TTL, and one script checks it, raises it, and does the writes that
 * the work has collected. The work reads with the application's own client, before; what it reads may have changed when the script runs, if others write under the same fence.
 *
 * @throws InvalidArgumentError
 */
export function redisGuard(client: RedisClient, options: RedisGuardOptions = {}): RedisGuard {
  return new MarksInRedis(driverOf(client), options);
}

class MarksInRedis implements RedisGuard, Expiry {
  readonly sink: string;
  readonly #driver: Driver;
  readonly #prefix: string;
  readonly #calls: SinkCalls;

  constructor(driver: Driver, options: RedisGuardOptions) {
    refuseUnknown(options, ['prefix', 'sink', 'commandTimeoutMs']);
    const { prefix = 'holdfast:mark:', sink = 'redis', commandTimeoutMs } = options;
    if (typeof prefix !== 'string' || /[{}]/.test(prefix)) {
      throw new InvalidArgumentError('prefix is a text without braces, which would decide where the mark lies');
    }
    this.sink = sink;
    this.#driver = driver;
    this.#prefix = prefix;
    this.#calls = new SinkCalls(sink, commandTimeoutMs);
  }

  tag(resource: string): string {
    const encoded = checkedResource(resource).replaceAll('{', '%7B').replaceAll('}', '%7D');
    // Empty braces are no tag; a "%" alone is never part of an encoded name.
    return `{${encoded === '' ? '%' : encoded}}`;
  }

  async run<T>(write: FencedWrite, work: (writes: RedisWrites) => T | Promise<T>): Promise<T> {
    const { resource, fence } = checkedWrite(write);
    const writes = new Writes();
    const value = await work(writes);
    writes.seal();
    const mark = this.#key(resource);
    const data = [...new Set(writes.all.map(([, key = '']) => key))];
    this.#refuseForeign(resource, data);
    const id = randomBytes(12).toString('base64url');
    const keys = [mark, `${mark}:runs`, ...data];
    const places = new Map(data.map((key, i) => [key, String(i + 3)]));
    const args = writes.all.flatMap(([command = '', key = '', ...rest]) => [
      command,
      places.get(key) ?? '',
      String(rest.length),
      ...rest,
    ]);
    await this.#write(
      { resource, fence },
      keys,
      [String(fence), id, String(runsRemembered), String(runsRememberedMs), ...args],
      id,
    );
    return value;
  }

  async raise(write: FencedWrite): Promise<bigint> {
    const { resource, fence } = checkedWrite(write);
    const keys = [this.#key(resource)];
    const send = () => this.#driver.run(scripts.raise, keys, [String(fence)]);
    const [outcome, mark = ''] = await this.#calls.writing('raising the mark', send, isReply);
    if (outcome === 'corrupt') throw this.#corrupt(resource, mark);
    return BigInt(mark);
  }

  async mark(resource: string): Promise<bigint | undefined> {
    const text = await this.#calls.before('reading the mark', () => this.#driver.get(this.#key(resource)));
    if (text === undefined) return undefined;
    if (!/^[1-9]\d*$/.test(text)) throw this.#corrupt(resource, text);
    return BigInt(text);
  }

  async expiryOf(resource: string): Promise<string | undefined> {
    const key = this.#key(resource);
    const ttlMs = await this.#calls.before('looking for a TTL', () => this.#driver.ttlMs(key));
    return ttlMs < 0 ? undefined : `the key ${JSON.stringify(key)} has a TTL of ${ttlMs} ms: find out who set it`;
  }

  async #write(write: FencedWrite, keys: readonly string[], args: readonly string[], id: string): Promise<void> {
    let answer: readonly string[];
    try {
      answer = await this.#calls.writing('writing', () => this.#driver.run(scripts.write, keys, args), isReply);
    } catch (error) {
      // The server said no; but the library may have sent it before, and that copy may have been done.
      if (!(error instanceof BackendUnavailableError) || !(await this.#done(keys[1] ?? '', id, error))) throw error;
      return;
    }
    const [outcome, mark = '', why = ''] = answer;
    if (outcome === 'stale') refuseStale(this.sink, write, BigInt(mark));
    if (outcome === 'corrupt') throw this.#corrupt(write.resource, mark);
    if (outcome === 'refused')
      throw new NotSupportedError(`${this.sink}: nothing was written: ${why}: use another key, or another write`);
  }

  async #done(runs: string, id: string, error: BackendUnavailableError): Promise<boolean> {
    try {
      return (await this.#calls.before('looking', () => this.#driver.run(scripts.done, [runs], [id])))[0] === 'yes';
    } catch {
      throw new OutcomeUnknownError(`${messageOf(error.cause)}: it may or may not have been done: look`, { cause: error });
    }
  }

  #key(resource: string): string {
    return `${this.#prefix}${this.tag(resource)}`;
  }

  /** @throws InvalidArgumentError */
  #refuseForeign(resource: string, keys: readonly string[]): void {
    const mark = this.#key(resource);
    for (const key of keys) {
      if (key === mark || key === `${mark}:runs`)
        throw new InvalidArgumentError(`${JSON.stringify(key)} is the mark's own: write to another key`);
      if (!this.#driver.cluster || tagOf(key) === tagOf(mark)) continue;
      throw new InvalidArgumentError(
        `in a Redis Cluster the key ${JSON.stringify(key)} may lie on another server than the mark of ${JSON.stringify(resource)}: put ${this.tag(resource)} into it, which guard.tag(resource) answers`,
      );
    }
  }

  #corrupt(resource: string, text: string): BackendCorruptError {
    return new BackendCorruptError(
      `the key ${JSON.stringify(this.#key(resource))} is a mark, and holds ${JSON.stringify(text.slice(0, 40))}, which is none: find out who wrote it, and set it to the highest fence that was used`,
    );
  }
}

/** What decides about the slot: what stands between the first `{` and the next `}`, unless it is empty. */
function tagOf(key: string): string {
  const from = key.indexOf('{');
  const to = from < 0 ? -1 : key.indexOf('}', from);
  return to > from + 1 ? key.slice(from + 1, to) : key;
}
