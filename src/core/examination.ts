import type { NodeIdentity } from './node.js';

/** What a store knows of one name beyond its holders and waiters. All of it as of about now: for a person, not for a decision of a program. */
export interface Examination {
  /** Locks on this name that no Holdfast wrote, or that none can read. */
  readonly foreign: readonly ForeignLock[];
  /** Why nobody is granted the name now although nobody holds it. */
  readonly pauses: readonly NamePause[];
  /** Who else has what seems to be the same: on single nodes of a quorum, under another prefix, in other letters. */
  readonly rivals: readonly Rival[];
}

export interface ForeignLock {
  /** Where it lies, as the store's own tools are told. */
  readonly key: string;
  /** The library whose values look like this one, such as `redlock`; undefined where none is known. */
  readonly library: string | undefined;
  /** How the value looks, without what may be a secret: `40 hex digits`. */
  readonly shape: string;
  /** Undefined: no time ends it. Without `endsWith` nothing will ever free it. */
  readonly expiresInMs: number | undefined;
  /** What ends it where no time is told: `session 4711 of app, idle in transaction for 12 s`. */
  readonly endsWith?: string;
  /** Shows it, with the store's own tool. */
  readonly look: string;
  /** Takes it away, only if it is still the same, with the store's own tool. */
  readonly remove: string;
}

export interface NamePause {
  /** `claim`: it was offered to a waiter that has not come yet. `restart-grace`: a server that lost its memory sits out old leases. `lock-delay`: after a session that ended without a release. */
  readonly because: 'claim' | 'restart-grace' | 'lock-delay';
  /** Undefined where the store does not tell. */
  readonly leftMs: number | undefined;
  /** Who or what is waited for: a waiter, a server. */
  readonly of: string;
}

export interface Rival {
  /** The node, key or prefix. */
  readonly where: string;
  /** `node`: another owner on a node of the quorum. `prefix`, `case`: a name that differs only in that. */
  readonly differs: 'node' | 'prefix' | 'case';
  /** As `LockRecord` has them. */
  readonly name: string;
  readonly key: string;
  readonly ownerDigest: string;
  readonly node: NodeIdentity;
  readonly fence?: bigint;
  readonly expiresInMs?: number;
}
