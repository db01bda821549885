import { InvalidArgumentError } from '../../core/errors.js';
import type { Json, OutboxMessage } from '../event.js';
import type { BatchPublisher } from '../publisher.js';

/** A `Redis` or `Cluster` of ioredis, or a client of node-redis: what is used of it. */
export type StreamsClient =
  | { call(command: string, ...args: string[]): Promise<unknown> }
  | { sendCommand(args: string[]): Promise<unknown> };

export interface RedisStreamsOptions {
  /** The stream for an event. All events of one key have to go to the same one. */
  readonly stream: string | ((message: OutboxMessage) => string);
}

/**
 * Appends each event to a stream, all of a batch without waiting in between: one connection keeps their order. An entry that was
 * appended is as durable as the server makes it. Nothing is trimmed.
 */
export function redisStreams(client: StreamsClient, { stream }: RedisStreamsOptions): BatchPublisher {
  const streamOf = typeof stream === 'function' ? stream : () => stream;
  const send = (args: string[]): Promise<unknown> => {
    // Tells the libraries apart: both have a sendCommand.
    if ('call' in client && typeof client.call === 'function') return client.call(...(args as [string, ...string[]]));
    return (client as { sendCommand(args: string[]): Promise<unknown> }).sendCommand(args);
  };
  return {
    async publishBatch(messages) {
      const sent = await Promise.allSettled(
        // What `stream` throws is a failure of its message alone.
        messages.map(async (message) => send(['XADD', streamOf(message), '*', ...fieldsOf(message)])),
      );
      return sent.map((one) => (one.status === 'fulfilled' ? undefined : asError(one.reason)));
    },
  };
}

function fieldsOf({ id, key, sequence, after, type, payload, headers, writtenAtMs }: OutboxMessage): string[] {
  const fields = [
    'id',
    id,
    'type',
    type,
    'payload',
    JSON.stringify(payload),
    'headers',
    JSON.stringify(headers),
    'written',
    String(writtenAtMs),
  ];
  // As JSON: Redis would not keep half of a surrogate pair.
  if (key !== undefined) fields.push('key', JSON.stringify(key));
  if (sequence !== undefined) fields.push('sequence', String(sequence));
  if (after !== undefined) fields.push('after', String(after));
  return fields;
}

/**
 * An entry of the stream as a message again.
 *
 * @param entry the fields as ioredis gives them (a flat list), or as node-redis does (an object)
 * @throws InvalidArgumentError
 */
export function messageOfEntry(entry: readonly string[] | Readonly<Record<string, string>>): OutboxMessage {
  const fields = new Map(isFlat(entry) ? pairs(entry) : Object.entries(entry));
  const [id, type, payload] = [fields.get('id'), fields.get('type'), fields.get('payload')];
  if (id === undefined || type === undefined || payload === undefined) {
    throw new InvalidArgumentError('this entry is none of an outbox: it has no id, type or payload');
  }
  const [key, sequence, after] = [fields.get('key'), fields.get('sequence'), fields.get('after')];
  return {
    id,
    key: key === undefined ? undefined : (JSON.parse(key) as string),
    sequence: sequence === undefined ? undefined : BigInt(sequence),
    after: after === undefined ? undefined : BigInt(after),
    type,
    payload: JSON.parse(payload) as Json,
    headers: JSON.parse(fields.get('headers') ?? '{}') as Record<string, string>,
    writtenAtMs: Number(fields.get('written') ?? 0),
    attempt: 1,
  };
}

function isFlat(entry: readonly string[] | Readonly<Record<string, string>>): entry is readonly string[] {
  return Array.isArray(entry);
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? '']);
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
