import type { AttributeValue } from './client.js';
import { endedPrefix } from './item.js';

/** A conditional update. In its expressions `#x` is the attribute `x`: many of our names are reserved words of DynamoDB. */
export interface Change {
  readonly update: string;
  readonly when: string;
  readonly values: Record<string, AttributeValue>;
}

/** Every write changes the version: whoever watches sees that somebody is there. */
const nextVersion = '#version = if_not_exists(#version, :zero) + :one';

const holdAttributes = '#owner, #fence_first, #ttl_ms, #since_ms, #renewed_ms, #renewals, #node, #metadata';

/** Values: :held :owner :first :last :zero :one :ttl :now :node :metadata */
export const hold = {
  set: `#lease_status = :held, #owner = :owner, #fence_first = :first, #fence = :last, #ttl_ms = :ttl, #since_ms = :now, #renewed_ms = :now, #renewals = :zero, #node = :node, #metadata = :metadata, ${nextVersion}`,
  remove: '#expires_at, #last_owner',
};

/** Values: :free :expires :zero :one */
export const free = {
  set: `#lease_status = :free, #expires_at = :expires, ${nextVersion}`,
  remove: holdAttributes,
};

/** The same owner asks again. Values: :ttl :now :zero :one */
export const asked = `SET #ttl_ms = :ttl, #renewed_ms = :now, ${nextVersion}`;

/** Values: :ttl :now :zero :one */
export const renewed = `${asked}, #renewals = #renewals + :one`;

/**
 * Nobody holds it: there is no such attribute, for which every comparison is false, or it says so. Written without parentheses, over
 * which dynalite's parser takes four times as long. Values: :free
 */
export const isFree = 'NOT #lease_status < :free AND NOT #lease_status > :free';

/** Values: :held :owner */
export const isOwn = '#lease_status = :held AND #owner = :owner';

/** The hold that was seen, in whatever version. Values: :held :seenOwner :seenFence */
export const isSeen = '#lease_status = :held AND #owner = :seenOwner AND #fence = :seenFence';

/** Values: :first. It also refuses copies of an ask that was granted: what they would mint is minted. */
export const fenceIsNew = 'NOT #fence >= :first';

/** The attribute of an owner that must not come back. */
export function endedName(digest: string): string {
  return `#${endedPrefix}${digest}`;
}

export function isWelcome(digest: string): string {
  return `attribute_not_exists(${endedName(digest)})`;
}

/** `SET … REMOVE …` */
export function setAndRemove(sets: readonly string[], removes: readonly string[]): string {
  return `SET ${sets.join(', ')}${removes.length === 0 ? '' : ` REMOVE ${removes.join(', ')}`}`;
}

const placeholder = /#\w+/g;

/** DynamoDB wants every name that is used, and none that is not. */
export function namesIn(...expressions: readonly string[]): Record<string, string> {
  const names: Record<string, string> = {};
  for (const expression of expressions) {
    for (const name of expression.match(placeholder) ?? []) names[name] = name.slice(1);
  }
  return names;
}
