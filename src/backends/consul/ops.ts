import { Buffer } from 'node:buffer';

/** One step of a transaction, as the HTTP API has it. */
export interface Op {
  readonly KV: {
    readonly Verb: string;
    readonly Key: string;
    readonly Value?: string;
    readonly Index?: number;
    readonly Session?: string;
  };
}

/** Older servers take 64 steps in one transaction, newer ones 128. */
export const opsMax = 64;

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  readonly createIndex: number;
  readonly modifyIndex: number;
  /** Empty: nobody has locked it. */
  readonly session: string;
}

export type TxnAnswer =
  | { readonly ok: true; readonly kvs: readonly KeyValue[] }
  /** Nothing was done. */
  | { readonly ok: false; readonly failed: readonly { readonly op: number; readonly what: string }[] };

/** Not granted because a session that had locked one of the keys was ended not long ago. Consul tells of no other step then. */
export function isDelayed(answer: TxnAnswer): boolean {
  return !answer.ok && answer.failed.some(({ what }) => /lock delay/.test(what));
}

function step(Verb: string, Key: string, more: Partial<Op['KV']> = {}): Op {
  return { KV: { Verb, Key, ...more } };
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

export const isAbsent = (key: string): Op => step('check-not-exists', key);
export const isAt = ({ key, modifyIndex }: Pick<KeyValue, 'key' | 'modifyIndex'>): Op =>
  step('check-index', key, { Index: modifyIndex });
/** Fails if it is not there. */
export const isThere = (key: string): Op => step('get', key);
export const look = (key: string): Op => step('get-or-empty', key);
export const lookBelow = (prefix: string): Op => step('get-tree', prefix);
export const remove = (key: string): Op => step('delete', key);
export const set = (key: string, value: string): Op => step('set', key, { Value: base64(value) });
/** `index` 0: only if it is not there. */
export const setAt = (key: string, index: number, value: string): Op => step('cas', key, { Index: index, Value: base64(value) });
/** The only step that heeds the delay after a session was ended. */
export const lock = (key: string, session: string, value: string): Op =>
  step('lock', key, { Session: session, Value: base64(value) });
export const unlock = (key: string, session: string, value: string): Op =>
  step('unlock', key, { Session: session, Value: base64(value) });

/** Deleted, if it is still what was seen. `delete-cas` would not do: it is content where there is nothing. */
export const removeAt = (kv: Pick<KeyValue, 'key' | 'modifyIndex'>): readonly Op[] => [isAt(kv), remove(kv.key)];

interface RawKeyValue {
  readonly Key: string;
  readonly Value?: string | null;
  readonly CreateIndex: number;
  readonly ModifyIndex: number;
  readonly Session?: string;
}

export function keyValueOf({ Key, Value, CreateIndex, ModifyIndex, Session }: RawKeyValue): KeyValue {
  const value = typeof Value === 'string' ? Buffer.from(Value, 'base64').toString('utf8') : '';
  return { key: Key, value, createIndex: CreateIndex, modifyIndex: ModifyIndex, session: Session ?? '' };
}

const quoted = /"(?:[^"\\]|\\.)*"/g;

/** What `get-or-empty` tells of a key that is not there has no index. */
export function parseTxn(text: string): TxnAnswer {
  const { Results, Errors } = JSON.parse(text) as {
    readonly Results?: readonly { readonly KV?: RawKeyValue }[] | null;
    readonly Errors?: readonly { readonly OpIndex: number; readonly What: string }[] | null;
  };
  if (Errors != null && Errors.length > 0) {
    // Keys stand there in quotes, and a name may be any text, also that of an error.
    return { ok: false, failed: Errors.map(({ OpIndex, What }) => ({ op: OpIndex, what: What.replace(quoted, '""') })) };
  }
  const kvs = (Results ?? []).flatMap(({ KV }) => (KV === undefined ? [] : [keyValueOf(KV)]));
  return { ok: true, kvs: kvs.filter(({ modifyIndex }) => modifyIndex > 0) };
}
