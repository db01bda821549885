import { Buffer } from 'node:buffer';
import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.js';
import { refuseUnknown } from '../../core/checks.js';
import { BackendCorruptError, InvalidArgumentError, OutcomeUnknownError } from '../../core/errors.js';
import { checkedResource, checkedWrite, type FencedWrite, type Guard, staleFence } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import { SinkCalls } from '../calls.js';
import type { Expiry } from '../expiry.js';
import { checkedClient, type Head, isAbsent, isConflict, isRefusal, type S3Client, wasResent } from './client.js';
import { newRun, opened, sealed } from './envelope.js';

export type { FencedWrite, Guard } from '../../core/guard.js';
export type { S3Client } from './client.js';

export interface S3GuardOptions {
  readonly bucket: string;
  /** In front of the keys of the objects. Default: `guarded/`. */
  readonly prefix?: string;
  /** Names the sink in errors. Default: `s3`. */
  readonly sink?: string;
  /** How long one request may take, and how long `run` and `raise` try again while others write. Default: 10,000. */
  readonly commandTimeoutMs?: number;
}

/** Collects what `run` writes: the last call counts. */
export interface S3Writes {
  put(
    body: string | Uint8Array,
    options?: { readonly contentType?: string; readonly metadata?: Readonly<Record<string, string>> },
  ): void;
  /** Nothing is read any more. An object without content stays there and keeps the mark. */
  delete(): void;
}

export interface GuardedObject {
  readonly fence: bigint;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface S3Guard extends Guard<S3Writes> {
  /** The object of a resource as `run` wrote it, without the line of 64 bytes in front of it; undefined if there is none, or it was deleted. */
  get(resource: string): Promise<GuardedObject | undefined>;
  /** Where it lies in the bucket. */
  key(resource: string): string;
}

/**
 * Guards objects of S3, one for each resource: its fence stands in the object itself, and it is written under the condition that it has not changed since
 * the fence was looked at (`If-Match`; `If-None-Match: *` for the first). For a service that speaks S3, check first that it keeps these conditions: `holdfast verify-guard`.
 *
 * @throws InvalidArgumentError
 */
export function s3Guard(client: S3Client, options: S3GuardOptions): S3Guard {
  return new MarksInS3(checkedClient(client), options);
}

interface Content {
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  readonly exists: boolean;
}

/** What was seen of an object: what the next write depends on. */
interface Seen {
  readonly etag: string;
  readonly mark: bigint;
  readonly run: string;
}

const nothing: Content = { body: new Uint8Array(), contentType: undefined, metadata: {}, exists: false };
const fenceName = 'holdfast-fence';
const runName = 'holdfast-run';
const stateName = 'holdfast-state';
const keyBytesMax = 1_024;

class Writes implements S3Writes {
  content: Content | undefined;
  #over = false;

  put(
    body: string | Uint8Array,
    { contentType, metadata = {} }: { contentType?: string; metadata?: Readonly<Record<string, string>> } = {},
  ): void {
    if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
      throw new InvalidArgumentError('a body is a text or bytes: a stream could not be sent again');
    }
    this.#set({ body: typeof body === 'string' ? Buffer.from(body) : body, contentType, metadata, exists: true });
  }

  delete(): void {
    this.#set(nothing);
  }

  seal(): void {
    this.#over = true;
  }

  #set(content: Content): void {
    if (this.#over)
      throw new InvalidArgumentError('the work is over, and what is added now would not be written: await all of it');
    this.content = content;
  }
}

class MarksInS3 implements S3Guard, Expiry {
  readonly sink: string;
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #calls: SinkCalls;

  constructor(client: S3Client, options: S3GuardOptions) {
    refuseUnknown(options, ['bucket', 'prefix', 'sink', 'commandTimeoutMs']);
    const { bucket, prefix = 'guarded/', sink = 's3', commandTimeoutMs = 10_000 } = options;
    if (typeof bucket !== 'string' || bucket === '')
      throw new InvalidArgumentError('bucket is missing: name the bucket of the objects');
    this.#client = client;
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.sink = sink;
    this.#calls = new SinkCalls(sink, commandTimeoutMs);
  }

  async run<T>(write: FencedWrite, work: (writes: S3Writes) => T | Promise<T>): Promise<T> {
    checkedWrite(write);
    const writes = new Writes();
    const value = await work(writes);
    writes.seal();
    const { content } = writes;
    const mark = await this.#write(write, content === undefined ? undefined : async () => content, () => false);
    if (mark > write.fence) throw staleFence({ sink: this.sink, resource: write.resource, fence: write.fence, mark });
    return value;
  }

  async raise(write: FencedWrite): Promise<bigint> {
    checkedWrite(write);
    return this.#write(write, undefined, (mark) => mark >= write.fence);
  }

  async mark(resource: string): Promise<bigint | undefined> {
    return (await this.#look(resource))?.mark;
  }

  async get(resource: string): Promise<GuardedObject | undefined> {
    const found = await this.#read(resource);
    return found?.content.exists === true ? { ...found.content, fence: found.seen.mark } : undefined;
  }

  async expiryOf(resource: string): Promise<string | undefined> {
    const head = await this.#head(resource);
    if (head?.Expiration === undefined) return undefined;
    return `a lifecycle rule of the bucket deletes ${JSON.stringify(this.key(resource))} (${head.Expiration}): take the prefix out of the rule`;
  }

  key(resource: string): string {
    // Segments that programs, and some services, take for a way up.
    const path = checkedResource(resource)
      .split('/')
      .map((segment) => (/^\.\.?$/.test(segment) ? segment.replaceAll('.', '%2E') : segment))
      .join('/');
    const key = `${this.#prefix}${path}`;
    if (key !== '' && Buffer.byteLength(key) <= keyBytesMax) return key;
    throw new InvalidArgumentError(`a key of S3 takes 1 to ${keyBytesMax} bytes: use another prefix, or a shorter resource`);
  }

  /**
   * Looks, compares, and writes if nothing has changed since; and again, as long as somebody else was faster. Answers the mark that
   * stands then: a higher one was not touched.
   *
   * @param content what to write; undefined: what stands there
   * @param isDone whether a mark needs no write, whatever became of an earlier copy of it
   */
  async #write(
    { resource, fence }: FencedWrite,
    content: (() => Promise<Content>) | undefined,
    isDone: (mark: bigint) => boolean,
  ): Promise<bigint> {
    const run = newRun();
    const endMs = performance.now() + this.#calls.timeoutMs;
    let uncertain: unknown;
    for (let tries = 1; ; tries++) {
      const now =
        content === undefined ? await this.#read(resource) : { seen: await this.#look(resource), content: await content() };
      const seen = now?.seen;
      // A copy that the SDK had sent before, and whose answer was lost.
      if (seen?.run === run) return fence;
      if (seen !== undefined && isDone(seen.mark)) return seen.mark;
      if (seen !== undefined && seen.mark > fence) {
        if (uncertain === undefined) return seen.mark;
        throw this.#overtaken(resource, fence, seen.mark, uncertain);
      }
      try {
        await this.#calls.writing(
          'writing',
          () => this.#put(resource, fence, run, now?.content ?? nothing, seen?.etag),
          isDefinite,
        );
        return fence;
      } catch (error) {
        const { cause } = error as Error;
        if (!isConflict(cause)) throw error;
        if (wasResent(cause)) uncertain = cause;
        const pauseMs = backoffMs(tries, limits.backoffMsMin, 250, Math.random());
        if (performance.now() + pauseMs > endMs) throw error;
        await sleep(pauseMs);
      }
    }
  }

  #put(resource: string, fence: bigint, run: string, content: Content, etag: string | undefined): Promise<object> {
    return this.#client.putObject({
      Bucket: this.#bucket,
      Key: this.key(resource),
      Body: sealed(fence, run, content.body),
      Metadata: {
        ...content.metadata,
        [fenceName]: String(fence),
        [runName]: run,
        [stateName]: content.exists ? 'object' : 'none',
      },
      ...(content.contentType === undefined ? {} : { ContentType: content.contentType }),
      ...(etag === undefined ? { IfNoneMatch: '*' as const } : { IfMatch: etag }),
    });
  }

  async #head(resource: string): Promise<Head | undefined> {
    return this.#present('looking', () => this.#client.headObject({ Bucket: this.#bucket, Key: this.key(resource) }));
  }

  async #look(resource: string): Promise<Seen | undefined> {
    const head = await this.#head(resource);
    return head === undefined ? undefined : this.#seenIn(resource, head);
  }

  async #read(resource: string): Promise<{ readonly seen: Seen; readonly content: Content } | undefined> {
    const found = await this.#present('reading', async () => {
      const { Body, ...head } = await this.#client.getObject({ Bucket: this.#bucket, Key: this.key(resource) });
      return { head, bytes: (await Body?.transformToByteArray()) ?? new Uint8Array() };
    });
    if (found === undefined) return undefined;
    const seen = this.#seenIn(resource, found.head);
    const body = opened(found.bytes);
    if (body === undefined) throw this.#foreign(resource);
    const { [fenceName]: _fence, [runName]: _run, [stateName]: state, ...metadata } = found.head.Metadata ?? {};
    return { seen, content: { body, contentType: found.head.ContentType, metadata, exists: state === 'object' } };
  }

  async #present<T>(doing: string, call: () => Promise<T>): Promise<T | undefined> {
    return this.#calls.before(doing, () =>
      call().catch((error: unknown) => {
        if (isAbsent(error) && (error as Error).name !== 'NoSuchBucket') return undefined;
        throw error;
      }),
    );
  }

  #seenIn(resource: string, { ETag: etag, Metadata: metadata }: Head): Seen {
    const text = metadata?.[fenceName];
    if (etag === undefined || text === undefined || !/^[1-9]\d*$/.test(text)) throw this.#foreign(resource);
    return { etag, mark: BigInt(text), run: metadata?.[runName] ?? '' };
  }

  #overtaken(resource: string, fence: bigint, mark: bigint, cause: unknown): OutcomeUnknownError {
    const message = `${this.sink}: the SDK has sent the write to ${JSON.stringify(resource)} more than once, and fence ${mark} came in between: fence ${fence} may or may not have been written before; look, and stop`;
    return new OutcomeUnknownError(message, { cause });
  }

  #foreign(resource: string): BackendCorruptError {
    return new BackendCorruptError(
      `the object ${JSON.stringify(this.key(resource))} was not written by this guard, and has no fence: find out who writes there, and move it away`,
    );
  }
}

/** A condition that did not hold is an answer, however often it was asked. */
function isDefinite(error: unknown): boolean {
  return isConflict(error) || isRefusal(error);
}
