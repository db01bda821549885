import type { Mode } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { Keys, NameKeys } from './keys.js';
import { type KeyValue, look, lookBelow } from './ops.js';
import type { Rpc } from './rpc.js';
import type { Sightings } from './sightings.js';
import { isReadersText, parseText } from './values.js';

export interface Place {
  readonly kv: KeyValue;
  readonly id: string;
  readonly mode: Mode;
}

export interface Holder {
  readonly kv: KeyValue;
  readonly id: string;
  readonly mode: Mode;
  /** What this process knows of the time that it has; undefined: nobody knows, it is somebody else's. */
  readonly leftMs: number | undefined;
}

/** Everything about a name, as of one moment. Whatever is written upon it compares what it rests on. */
export interface View {
  /** What stands at `lock`, whatever it is. */
  readonly lock: KeyValue | undefined;
  readonly line: KeyValue | undefined;
  /** Those whose time is over are among them. */
  readonly holders: readonly Holder[];
  /** In the order of the queue. */
  readonly places: readonly Place[];
  /** This owner was abandoned, revoked or stolen from; why stands there. */
  readonly mark: KeyValue | undefined;
}

/** Of a name that was not looked at: free, most likely. */
export const nothing: View = { lock: undefined, line: undefined, holders: [], places: [], mark: undefined };

interface Reading {
  readonly rpc: Rpc;
  readonly keys: Keys;
  readonly sightings: Sightings;
}

export async function readView(store: Reading, keys: NameKeys, id: string, timeoutMs: number): Promise<View> {
  const ops = [lookBelow(keys.base), look(store.keys.mark(id))];
  const answer = await store.rpc.txn('looking', ops, timeoutMs);
  return viewOf(answer.ok ? answer.kvs : [], keys, store.keys, store.sightings, id);
}

export function viewOf(kvs: readonly KeyValue[], keys: NameKeys, all: Keys, sightings: Sightings, id: string): View {
  const lock = kvs.find(({ key }) => key === keys.lock);
  const holders = kvs.flatMap((kv) => {
    const isReader = kv.key.startsWith(keys.readers);
    if (!isReader && (kv.key !== keys.lock || isReadersText(kv.value))) return [];
    const text = parseText(kv);
    const mode: Mode = isReader ? 'shared' : 'exclusive';
    return [{ kv, id: text?.id ?? '', mode, leftMs: text === undefined ? undefined : sightings.leftMs(kv, text.ttlMs) }];
  });
  const places = kvs.flatMap((kv) => {
    const parts = all.parse(kv.key);
    if (parts?.kind !== 'wait' || !kv.key.startsWith(keys.base)) return [];
    return [{ kv, id: parts.id, mode: parseText(kv)?.mode ?? 'exclusive' }];
  });
  places.sort((a, b) => a.kv.createIndex - b.kv.createIndex);
  return {
    lock,
    line: kvs.find(({ key }) => key === keys.line),
    holders,
    places,
    mark: kvs.find(({ key }) => key === all.mark(id)),
  };
}

export function isOver({ leftMs }: Holder): boolean {
  return leftMs === 0;
}

/** Those who hold, and whose time is not over as far as is known here. */
export function livingIn({ holders }: View): readonly Holder[] {
  return holders.filter((holder) => !isOver(holder));
}

/** Holders that exclude an ask of this mode. */
export function inTheWay(view: View, mode: Mode): readonly Holder[] {
  return livingIn(view).filter((holder) => mode === 'exclusive' || holder.mode === 'exclusive');
}

/** Those who wait in front of a place, or of a newcomer, and come first. A reader passes other readers. */
export function aheadOf({ places }: View, mode: Mode, id: string): readonly Place[] {
  const at = places.findIndex((place) => place.id === id);
  const before = at < 0 ? places : places.slice(0, at);
  return before.filter((place) => mode === 'exclusive' || place.mode === 'exclusive');
}

/** Places that nobody asked for again. */
export function deadPlaces({ places }: View, sightings: Sightings, id: string): readonly Place[] {
  return places.filter((place) => place.id !== id && sightings.leftMs(place.kv, limits.placeMs) === 0);
}
