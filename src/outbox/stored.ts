import { asciiJson, asciiName } from '../core/ascii.js';
import { show } from '../core/checks.js';
import { InvalidArgumentError } from '../core/errors.js';
import { limits } from '../core/limits.js';
import { decodeName, encodeName, parseName } from '../core/name.js';
import type { Json, OutboxEvent, OutboxMessage } from './event.js';

/** An event as the database takes it: texts of ASCII. */
export interface StoredEvent {
  readonly key: string | null;
  readonly type: string;
  readonly payload: string;
  readonly headers: string;
}

/** @throws InvalidArgumentError */
export function stored(event: OutboxEvent): StoredEvent {
  if (typeof event !== 'object' || event === null) throw new InvalidArgumentError(`an event is an object, not ${show(event)}`);
  const { key, type, payload, headers = {} } = event;
  if (key !== undefined && typeof key !== 'string') {
    throw new InvalidArgumentError(`the key of an event is a string, or undefined, not ${show(key)}`);
  }
  if (typeof type !== 'string' || type === '') throw new InvalidArgumentError('an event needs a type, such as "payment.charged"');
  for (const [name, text] of Object.entries(headers)) {
    if (typeof text === 'string') continue;
    throw new InvalidArgumentError(`the header ${show(name)} of an event is ${show(text)}: headers are strings`);
  }
  return {
    key: key === undefined ? null : storedText(key),
    type: storedText(type),
    payload: bounded('payload', payload, limits.outboxPayloadBytesMax, 'store it elsewhere, and point to it'),
    headers: bounded('headers', headers, limits.outboxHeadersBytesMax, 'put more into the payload'),
  };
}

/** A key, a type, the name of a consumer. @throws InvalidArgumentError if it is too long */
export function storedText(text: string): string {
  return asciiName(parseName(text).encoded);
}

function bounded(what: string, value: unknown, bytesMax: number, fix: string): string {
  const json = asJson(what, value);
  if (json.length <= bytesMax) return json;
  throw new InvalidArgumentError(
    `the ${what} of an event takes ${json.length} bytes as JSON in ASCII, at most ${bytesMax}: ${fix}`,
  );
}

function asJson(what: string, value: unknown): string {
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch (cause) {
    throw new InvalidArgumentError(`the ${what} of an event cannot be written as JSON: a bigint has to become a string`, {
      cause,
    });
  }
  if (json === undefined)
    throw new InvalidArgumentError(`the ${what} of an event is ${typeof value}, not JSON: use null for nothing`);
  return asciiJson(value);
}

/** An event that a relay was handed, and where it stands. */
export interface Letter {
  readonly shard: number;
  readonly pos: number;
  readonly message: OutboxMessage;
}

type Row = readonly [
  shard: number,
  pos: number,
  id: string,
  key: string | null,
  seq: string | null,
  after: string | null,
  type: string,
  payload: Json,
  headers: Record<string, string>,
  writtenAtMs: number,
  attempts: number,
];

export function letterOf([shard, pos, id, key, seq, after, type, payload, headers, writtenAtMs, attempts]: Row): Letter {
  const message: OutboxMessage = {
    id,
    key: key === null ? undefined : decodeName(key),
    sequence: seq === null ? undefined : BigInt(seq),
    after: after === null ? undefined : BigInt(after),
    type: decodeName(type),
    payload,
    headers,
    writtenAtMs,
    attempt: attempts + 1,
  };
  return { shard, pos, message };
}

/** Of an error, as it is kept with a dead letter. Bounded, and without what JSON of the database refuses. */
export function storedError(error: unknown): string {
  const said = error instanceof Error ? `${error.name}: ${error.message}${because(error.cause)}` : String(error);
  return asciiName(encodeName(said.slice(0, limits.outboxErrorCharsMax)));
}

/** `fetch` says no more than that it failed. Several addresses that all fail have a code and no text. */
function because(cause: unknown): string {
  if (!(cause instanceof Error)) return '';
  const said = cause.message || (cause as { code?: unknown }).code;
  return typeof said === 'string' ? ` (${said})` : '';
}
