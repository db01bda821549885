import type { Mode } from '../../core/backend.js';
import type { Epoch } from './epoch.js';
import type { Keys, NameKeys } from './keys.js';
import type { Header, KeyValue, Op, OpResponse } from './wire/messages.js';

/** Everything about a name that one owner needs to know, as of one moment. */
export interface View {
  readonly header: Header | undefined;
  readonly epoch: KeyValue | undefined;
  /** This owner was abandoned, revoked or stolen from. */
  readonly isEnded: boolean;
  readonly holders: readonly KeyValue[];
  /** In the order of the queue; those who hold keep their place in it. */
  readonly places: readonly Place[];
}

export interface Place {
  readonly key: string;
  readonly mode: Mode;
  readonly id: string;
  /** The revision that took it: their order is the queue's. */
  readonly at: number;
  readonly holds: boolean;
}

/** What reads a view; the answers are those of `viewOf`. */
export function viewOps(epoch: Epoch, keys: NameKeys, id: string): readonly Op[] {
  return [
    { range: { key: epoch.key } },
    { range: { key: keys.mark(id), keysOnly: true } },
    { range: keys.held },
    { range: { ...keys.queue, keysOnly: true } },
  ];
}

export function viewOf(answers: readonly OpResponse[], header: Header | undefined, keys: Keys): View {
  const [epoch, mark, held, queue] = answers.map((answer) => answer.range?.kvs ?? []);
  const holders = held ?? [];
  const holding = new Set(holders.map(({ key }) => keys.parse(key)?.id));
  const places = (queue ?? []).flatMap(({ key, createRevision }) => {
    const parts = keys.parse(key);
    return parts === undefined ? [] : [{ key, mode: parts.mode, id: parts.id, at: createRevision, holds: holding.has(parts.id) }];
  });
  places.sort((a, b) => a.at - b.at);
  return { header, epoch: epoch?.[0], isEnded: mark?.length === 1, holders, places };
}

/** Holders that exclude an ask of this mode. */
export function conflicts({ holders }: View, mode: Mode, keys: NameKeys): boolean {
  if (mode === 'exclusive') return holders.length > 0;
  const { key } = keys.heldBy('exclusive');
  return holders.some((holder) => holder.key.startsWith(key));
}

/** Those who wait in front of a place, or of a newcomer, and come first. A reader passes other readers. */
export function aheadOf({ places }: View, mode: Mode, own: Place | undefined): readonly Place[] {
  const before = own?.at ?? Number.POSITIVE_INFINITY;
  return places.filter((place) => !place.holds && place.at < before && (mode === 'exclusive' || place.mode === 'exclusive'));
}
