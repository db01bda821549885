import { hasValue, isModifiedAt } from './compares.js';
import { range, txn } from './methods.js';
import type { Rpc } from './rpc.js';
import type { Compare, Header, KeyValue } from './wire/messages.js';

/** What revisions are added to, as it stands in the store. */
export interface EpochKey {
  readonly value: number;
  /** As it stands there. Every grant compares it, so that none is made on another one. */
  readonly text: string;
  readonly modRevision: number;
  /** The cluster that it was written for. */
  readonly cluster: string;
}

/**
 * Revisions rise as long as the cluster lives; one that lost its data starts again at 1, and one restored from a backup goes back
 * to that. So fences count from an epoch, which stands in the store: the clock, in microseconds, when it was written. Where it is
 * not there, or is another cluster's, or the revisions went back behind what this process has seen, a new one is
 * written. No cluster makes a million revisions a second: the new fences are above all old ones, if the clock is right.
 */
export class Epoch {
  readonly #rpc: Rpc;
  readonly #key: string;
  #known: EpochKey | undefined;
  #loading: Promise<EpochKey> | undefined;
  #highest = 0;
  #cluster: string | undefined;

  constructor(rpc: Rpc, key: string) {
    this.#rpc = rpc;
    this.#key = key;
  }

  /** The highest revision that any answer had: what is asked from now on is answered with no lower one. */
  get highest(): number {
    return this.#highest;
  }

  async current(timeoutMs: number): Promise<EpochKey> {
    if (this.#known !== undefined) return this.#known;
    this.#loading ??= this.#load(timeoutMs).finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** True if the store went back: the answer to what was asked when `highest` was known is older than that. */
  wentBack(header: Header | undefined, highest: number): boolean {
    if (header === undefined) return false;
    const isOther = this.#cluster !== undefined && this.#cluster !== header.clusterId;
    if (header.revision < highest || isOther) return true;
    this.#highest = Math.max(this.#highest, header.revision);
    return false;
  }

  /** Somebody else has written a new one, or it was deleted. */
  forget(): void {
    this.#known = undefined;
  }

  /** That a grant is made on this one. Not by its revision: a cluster that lost its data gives its new epoch the same one. */
  isStill({ text }: EpochKey): Compare {
    return hasValue(this.#key, text);
  }

  /** Of a view: whether it is another one than ours. */
  differs(kv: KeyValue | undefined, { text }: EpochKey): boolean {
    return kv?.value !== text;
  }

  get key(): string {
    return this.#key;
  }

  /**
   * A new one, above everything that was minted on the old one, for what can be known of it. What gave the store away is
   * forgotten when the new one is there, and not before: where this fails, and while it goes on, nobody may be granted on the old one.
   */
  async renew(old: EpochKey, timeoutMs: number): Promise<void> {
    const highest = this.#highest;
    const { kvs, header } = await this.#rpc.call(range, { key: this.#key }, timeoutMs);
    const found = parse(kvs[0]);
    // Else another process was faster.
    if (found === undefined || found.value <= old.value) {
      await this.#write(found, Math.max(nowUs(), old.value + highest + 1), header?.clusterId ?? '', timeoutMs);
    }
    // Another call of this process was faster.
    if (this.#known !== undefined && this.#known.value > old.value) return;
    this.#highest = 0;
    this.#cluster = undefined;
    this.#known = undefined;
  }

  async #load(timeoutMs: number): Promise<EpochKey> {
    for (;;) {
      const { kvs, header } = await this.#rpc.call(range, { key: this.#key }, timeoutMs);
      const found = parse(kvs[0]);
      const cluster = header?.clusterId ?? '';
      if (found?.cluster === cluster) {
        this.#cluster = cluster;
        this.#highest = Math.max(this.#highest, header?.revision ?? 0);
        this.#known = found;
        return found;
      }
      // A backup, restored as another cluster: its last revisions are not known, but no cluster outruns the clock.
      await this.#write(found, Math.max(nowUs(), (found?.value ?? 0) + (header?.revision ?? 0) + 1), cluster, timeoutMs);
    }
  }

  async #write(over: EpochKey | undefined, value: number, cluster: string, timeoutMs: number): Promise<void> {
    const modRevision = over?.modRevision ?? 0;
    await this.#rpc.call(
      txn,
      {
        compare: [isModifiedAt(this.#key, modRevision)],
        success: [{ put: { key: this.#key, value: JSON.stringify({ holdfast: 1, epoch: value, cluster }) } }],
        failure: [],
      },
      timeoutMs,
    );
  }
}

function parse(kv: KeyValue | undefined): EpochKey | undefined {
  if (kv === undefined) return undefined;
  try {
    const { epoch, cluster } = JSON.parse(kv.value) as { readonly epoch?: unknown; readonly cluster?: unknown };
    if (typeof epoch === 'number' && Number.isSafeInteger(epoch)) {
      return { value: epoch, cluster: String(cluster), text: kv.value, modRevision: kv.modRevision };
    }
  } catch {
    // As if it were another cluster's: what stands there is no number, and is written anew.
  }
  return { value: 0, cluster: '', text: kv.value, modRevision: kv.modRevision };
}

function nowUs(): number {
  return Date.now() * 1_000;
}
