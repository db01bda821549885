import { Buffer } from 'node:buffer';
import { createHash, type Hash } from 'node:crypto';
import type { RequestIdentity } from './record.js';

/** What an HTTP request says. */
export interface HttpRequestParts {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** With or without the question mark. Parameters are sorted by name; those of one name keep their order. */
  readonly query?: string;
  /** Only those that change what is meant: `content-type`; not `traceparent`. Names are compared in lower case. */
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body?: string | Uint8Array;
}

/** Keys of all records begin with it. */
export const recordKeyPrefix = 'idempotency/';

/** SHA-256 over the parts, each with its length in front. In base64url. */
export function signatureOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) add(hash, part);
  return hash.digest('base64url');
}

/** SHA-256 over length-prefixed method, path, canonical query, the given headers, and the raw body. In base64url. */
export function httpSignature({ method, path, query = '', headers = {}, body = '' }: HttpRequestParts): string {
  const parts: (string | Uint8Array)[] = [method.toUpperCase(), path];
  parts.push(...counted(parametersOf(query)), ...counted(headersOf(headers)), body);
  return signatureOf(parts);
}

/** Where the record of a request lies: SHA-256 over namespace, tenant, operation and key, so that no text in one can pass for another's. */
export function recordKeyOf({ namespace, tenant, operation, key }: RequestIdentity): string {
  // No tenant is not the tenant without a name.
  const parts = [namespace, tenant === undefined ? 'none' : 'one', tenant ?? '', operation, key];
  return recordKeyPrefix + signatureOf(parts.map(wellFormed));
}

/** Halves of surrogate pairs would all become the same bytes. */
function wellFormed(text: string): Uint8Array {
  return Buffer.from(text, 'utf16le');
}

function add(hash: Hash, part: string | Uint8Array): void {
  const bytes = typeof part === 'string' ? Buffer.from(part) : part;
  const length = Buffer.alloc(8);
  length.writeBigUInt64BE(BigInt(bytes.byteLength));
  hash.update(length).update(bytes);
}

/** How many come, and then they: so that the last of one list is not the first of the next. */
function counted(parts: readonly string[]): string[] {
  return [String(parts.length), ...parts];
}

/** Name, value, name, value, as they stand there: decoding them would make some that differ equal. */
function parametersOf(query: string): string[] {
  const text = query.startsWith('?') ? query.slice(1) : query;
  const pairs = text.split('&').filter((pair) => pair !== '');
  const named = pairs.map((pair) => {
    const at = pair.indexOf('=');
    return at < 0 ? [pair, ''] : [pair.slice(0, at), pair.slice(at)];
  });
  return sorted(named).flat();
}

function headersOf(headers: NonNullable<HttpRequestParts['headers']>): string[] {
  const named = Object.entries(headers).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const values = typeof value === 'string' ? [value] : value;
    return [[name.toLowerCase(), ...counted(values)]];
  });
  return sorted(named).flat();
}

/** By the first of each, in the order of code units; the sort is stable. */
function sorted(lists: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return [...lists].sort(([a = ''], [b = '']) => (a < b ? -1 : a > b ? 1 : 0));
}
