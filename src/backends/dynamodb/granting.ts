import type { Ask, Grant } from '../../core/backend.js';
import { mintFences } from '../../core/fence.js';
import type { AttributeValue } from './client.js';
import { asked, type Change, fenceIsNew, hold, isFree, isSeen, isWelcome, setAndRemove } from './expressions.js';
import { type Entry, holdValues, number, type OwnerMark, text } from './item.js';
import type { Table } from './table.js';

const zeroAndOne = { ':zero': number(0), ':one': number(1) };

/** One write that grants a name, and what it grants if its condition holds. */
export interface Granting {
  readonly change: Change;
  readonly grant: Grant;
}

/**
 * A fence above the last one that is known and not below the clock. The condition refuses it if the item knows a higher
 * one; then the next try knows that, too.
 */
function mint(table: Table, ask: Ask, knownFence: bigint): Grant {
  const fences = mintFences(knownFence, BigInt(table.wallMs()) * 1_000n, ask.fences);
  return { outcome: 'granted', fences, ttlMs: ask.ttlMs };
}

/** For a name that nobody holds. One statement, whether there is an item or not. */
export function grantFree(table: Table, ask: Ask, mark: OwnerMark, knownFence: bigint): Granting {
  const grant = mint(table, ask, knownFence);
  const when = `${isFree} AND ${fenceIsNew} AND ${isWelcome(mark.digest)}`;
  const values = { ...valuesOf(table, ask, mark, grant), ':free': text('free') };
  return { change: { update: setAndRemove([hold.set], [hold.remove]), when, values }, grant };
}

/** For a hold that stood unchanged for a whole TTL: only of the version that was seen, so that of several waiters one wins. */
export function grantOver(table: Table, ask: Ask, mark: OwnerMark, seen: Entry): Granting {
  const grant = mint(table, ask, seen.fence);
  const when = `${isSeen} AND #version = :seenVersion AND ${isWelcome(mark.digest)}`;
  const values = { ...valuesOf(table, ask, mark, grant), ...seenValues(seen), ':seenVersion': { N: seen.version } };
  return { change: { update: setAndRemove([hold.set], [hold.remove]), when, values }, grant };
}

/** For a thief: the hold that was seen ends, in whatever version, and its owner is told why. */
export function grantInstead(
  table: Table,
  ask: Ask,
  mark: OwnerMark,
  seen: Entry,
  why: { readonly set: string; readonly remove: readonly string[]; readonly values: Record<string, AttributeValue> },
): Granting {
  const grant = mint(table, ask, seen.fence);
  const when = `${isSeen} AND ${isWelcome(mark.digest)}`;
  const values = { ...valuesOf(table, ask, mark, grant), ...seenValues(seen), ...why.values };
  return { change: { update: setAndRemove([hold.set, why.set], [hold.remove, ...why.remove]), when, values }, grant };
}

function valuesOf(table: Table, ask: Ask, mark: OwnerMark, { fences }: Grant): Record<string, AttributeValue> {
  return {
    ':held': text('held'),
    ':owner': text(mark.hash),
    ':first': number(fences.first),
    ':last': number(fences.last),
    ...zeroAndOne,
    ...holdValues(ask, table.wallMs()),
  };
}

export function seenValues({ hold: seen, fence }: Entry): Record<string, AttributeValue> {
  return { ':held': text('held'), ':seenOwner': text(seen?.owner ?? ''), ':seenFence': number(fence) };
}

/** The same owner asks again: the same grant, with a fresh TTL. */
export function confirm(table: Table, ask: Ask, mark: OwnerMark, { fence, hold: own }: Entry): Granting {
  const when = `${isSeen} AND ${isWelcome(mark.digest)}`;
  const values = {
    ':held': text('held'),
    ':seenOwner': text(mark.hash),
    ':seenFence': number(fence),
    ...renewalValues(table, ask.ttlMs),
  };
  const fences = { first: own?.first ?? fence, last: fence };
  return { change: { update: asked, when, values }, grant: { outcome: 'granted', fences, ttlMs: ask.ttlMs } };
}

/** What a sign of life consists of. */
export function renewalValues(table: Table, ttlMs: number): Record<string, AttributeValue> {
  return { ':ttl': number(Math.ceil(ttlMs)), ':now': number(table.wallMs()), ...zeroAndOne };
}

/** What makes an item free. */
export function freeValues(table: Table, retentionMs: number): Record<string, AttributeValue> {
  return { ':free': text('free'), ':expires': number(Math.ceil((table.wallMs() + retentionMs) / 1_000)), ...zeroAndOne };
}
