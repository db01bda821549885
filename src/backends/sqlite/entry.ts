import type { LockRecord, Mode } from '../../core/backend.js';
import type { Context } from './context.js';
import { fence, type Holder, holderColumns, holderRecord, integer, type Place, parseHolder, parseNode, text } from './rows.js';
import { countOthers } from './schema.js';

const selectLock = `
  SELECT free_since, others, CAST(fence AS TEXT) AS fence_text, ${holderColumns.locks}
  FROM locks WHERE name = :name`;

const selectShares = `SELECT ${holderColumns.shares} FROM shares WHERE name = :name`;

const deleteShare = 'DELETE FROM shares WHERE name = :name AND owner = :owner';

const upsertLock = `
  INSERT INTO locks (name, fence, boot, written, free_since, owner, first, since, until, ttl, renewals, node, metadata, others)
  VALUES (:name, CAST(:fence AS INTEGER), :boot, :now, :free_since, :owner, CAST(:first AS INTEGER), :since, :until, :ttl, :renewals, :node, :metadata,
    ${countOthers(':name')})
  ON CONFLICT (name) DO UPDATE SET
    fence = excluded.fence, boot = excluded.boot, written = excluded.written, free_since = excluded.free_since,
    owner = excluded.owner, first = excluded.first, since = excluded.since, until = excluded.until, ttl = excluded.ttl,
    renewals = excluded.renewals, node = excluded.node, metadata = excluded.metadata, others = excluded.others`;

const upsertShare = `
  INSERT INTO shares (name, owner, boot, written, first, last, since, until, ttl, renewals, node, metadata)
  VALUES (:name, :owner, :boot, :now, CAST(:first AS INTEGER), CAST(:last AS INTEGER), :since, :until, :ttl, :renewals, :node, :metadata)
  ON CONFLICT (name, owner) DO UPDATE SET written = excluded.written, until = excluded.until, renewals = excluded.renewals`;

/** One name as it stands now: what is over has been taken out, here and, with `save`, in the database. */
export class Entry {
  readonly name: string;
  readonly #context: Context;
  /** The last one minted; undefined for a name that has no row. */
  fence: bigint | undefined;
  /** Since when nobody holds it: the claim windows of the queue count from here. */
  freeSinceMs: number;
  exclusive: Holder | undefined;
  readonly shares = new Map<string, Holder>();
  /** Whether the row has to be written. */
  changed = false;
  /** Whether somebody who waits may have got a better position. */
  loosened = false;

  private constructor(context: Context, name: string) {
    this.#context = context;
    this.name = name;
    this.freeSinceMs = context.nowMs;
  }

  static load(context: Context, name: string): Entry {
    const entry = new Entry(context, name);
    const row = context.db.get(selectLock, { name });
    if (row === undefined) return entry;
    const at = entry.#at('locks');
    entry.fence = fence(row, 'fence_text', at);
    const sameBoot = !context.isOtherBoot(text(row, 'boot', at), integer(row, 'written', at), name);
    if (sameBoot) entry.freeSinceMs = integer(row, 'free_since', at);
    if (row['owner'] !== null) entry.exclusive = parseHolder(row, 'exclusive', at);
    if (integer(row, 'others', at) > 0) entry.#loadShares();
    entry.#dropOver();
    return entry;
  }

  get held(): boolean {
    return this.exclusive !== undefined || this.shares.size > 0;
  }

  holders(): Holder[] {
    return this.exclusive === undefined ? [...this.shares.values()] : [this.exclusive, ...this.shares.values()];
  }

  holder(owner: string): Holder | undefined {
    return this.exclusive?.owner === owner ? this.exclusive : this.shares.get(owner);
  }

  conflicts(mode: Mode): boolean {
    return mode === 'exclusive' ? this.held : this.exclusive !== undefined;
  }

  put(holder: Holder): void {
    this.changed = true;
    if (holder.mode === 'exclusive') {
      this.exclusive = holder;
      return;
    }
    this.shares.set(holder.owner, holder);
    const { owner, node, metadata } = holder;
    this.#context.db.run(upsertShare, {
      name: this.name,
      owner,
      boot: holder.boot,
      ...numbers(holder),
      now: holder.writtenMs,
      last: `${holder.last}`,
      node,
      metadata,
    });
  }

  /** Extends a hold by its owner's own TTL. */
  extend(holder: Holder, ttlMs: number, renewals: number): void {
    this.put({ ...holder, renewals, writtenMs: this.#context.nowMs, untilMs: this.#context.untilMs(ttlMs) });
  }

  /** `freeSinceMs`: since when it is not held any more. */
  remove(holder: Holder, freeSinceMs: number): void {
    if (holder.mode === 'exclusive') this.exclusive = undefined;
    else {
      this.shares.delete(holder.owner);
      this.#context.db.run(deleteShare, { name: this.name, owner: holder.owner });
    }
    if (!this.held) this.freeSinceMs = freeSinceMs;
    this.changed = true;
    this.loosened = true;
  }

  /** Takes out those whose process is dead: they cannot come back, and nobody should wait for their TTL. */
  removeDead(): void {
    for (const holder of this.holders()) {
      const process = parseNode(holder.node, this.at(holder));
      if (this.#context.alive(process, holder.boot) === false) this.remove(holder, this.#context.nowMs);
    }
  }

  records(): LockRecord[] {
    return this.holders().map((holder) => holderRecord(holder, this.at(holder), this.#context));
  }

  /** Writes the row. A name that never had a fence minted needs none. */
  save(): void {
    if (!this.changed || this.fence === undefined) return;
    const { exclusive } = this;
    this.#context.db.run(upsertLock, {
      name: this.name,
      fence: `${this.fence}`,
      boot: this.#context.boot,
      now: exclusive?.writtenMs ?? this.#context.nowMs,
      free_since: this.freeSinceMs,
      owner: exclusive?.owner ?? null,
      ...(exclusive === undefined ? nobody : numbers(exclusive)),
      node: exclusive?.node ?? null,
      metadata: exclusive?.metadata ?? null,
    });
    this.changed = false;
  }

  at(holder: Holder): Place {
    return this.#at(holder.mode === 'exclusive' ? 'locks' : 'shares');
  }

  #at(table: Place['table']): Place {
    return { path: this.#context.here.path, table, name: this.name };
  }

  #loadShares(): void {
    const at = this.#at('shares');
    for (const row of this.#context.db.all(selectShares, { name: this.name })) {
      const holder = parseHolder(row, 'shared', at);
      this.shares.set(holder.owner, holder);
    }
  }

  #dropOver(): void {
    for (const holder of this.holders()) {
      const otherBoot = this.#context.isOtherBoot(holder.boot, holder.writtenMs, this.name);
      if (!otherBoot && holder.untilMs > this.#context.nowMs) continue;
      // The claim windows count from when it was noticed: nobody could have claimed it before.
      this.remove(holder, this.#context.nowMs);
    }
  }
}

const nobody = { first: null, since: null, until: null, ttl: null, renewals: null } as const;

function numbers(holder: Holder) {
  const { sinceMs, untilMs, ttlMs, renewals } = holder;
  return { first: `${holder.first}`, since: sinceMs, until: untilMs, ttl: ttlMs, renewals };
}
