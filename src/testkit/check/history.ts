import type { Mode } from '../../core/backend.js';
import type { Loss } from '../../core/errors.js';

/** What the run promised, hence what may be demanded of it. */
export interface Promises {
  /** The store never forgot anything: exclusion is owed. */
  readonly durable: boolean;
  /** Nothing failed, stopped or was cut off: order and promptness are owed. */
  readonly calm: boolean;
  /** The store queues (FIFO across processes). */
  readonly queue: boolean;
  /** The store wakes waiters. */
  readonly push: boolean;
  readonly pollMs: number;
  /** How many nodes are a majority, where several grant together. */
  readonly quorum?: number;
  /** Longest way of an undisturbed message. */
  readonly latencyMs: number;
}

/** How one request ended, as its caller saw it. */
export type Settlement =
  | { readonly outcome: 'value'; readonly value: string }
  | { readonly outcome: 'none' }
  | { readonly outcome: 'error'; readonly error: string; readonly code: string | undefined; readonly loss: Loss | undefined };

export type Happening =
  /** A caller asks. `op` is unique in the history. */
  | {
      readonly type: 'requested';
      readonly process: string;
      readonly op: string;
      readonly name: string;
      readonly mode: Mode;
      readonly how: 'request' | 'acquire';
      /** It may wait for as long as it takes: no `ifAvailable`, `steal`, `waitMs` or abort signal. */
      readonly patient: boolean;
      readonly steal: boolean;
      /** What the callback is going to throw, if it gets that far. */
      readonly throws: string | undefined;
    }
  /** A caller's turn begins. `fence` is undefined if the very first touch of the lease was refused. */
  | { readonly type: 'started'; readonly process: string; readonly op: string; readonly fence: bigint | undefined }
  /** User code read `lease.fence`; `aborted` is what `lease.signal` said in the same breath. */
  | { readonly type: 'touched'; readonly op: string; readonly held: boolean; readonly aborted: boolean }
  | { readonly type: 'signalled'; readonly op: string; readonly loss: Loss | undefined }
  | { readonly type: 'worked'; readonly op: string; readonly threw: string | undefined }
  | { readonly type: 'settled'; readonly op: string; readonly how: Settlement }
  /** A request nobody answered in all the time it was given. */
  | { readonly type: 'stuck'; readonly process: string; readonly op: string }
  /** What the process sent to the store, and what it was told, as seen at its own door. */
  | { readonly type: 'sent'; readonly process: string; readonly call: string; readonly name: string; readonly owner: string }
  | {
      readonly type: 'answered';
      readonly process: string;
      readonly call: string;
      readonly name: string;
      readonly owner: string;
      readonly outcome: string;
      readonly tookMs: number;
      readonly first?: bigint;
      readonly last?: bigint;
    }
  /** The store gave a range of fences that this owner did not have. */
  | {
      readonly type: 'minted';
      readonly process: string;
      readonly name: string;
      readonly owner: string;
      readonly mode: Mode;
      readonly first: bigint;
      readonly last: bigint;
      readonly untilMs: number;
      readonly ttlMs: number;
      /** The request was a copy of one that the client library had sent again since. */
      readonly copy: boolean;
      /** Of several nodes, some had let go before all had granted it: when its owner heard of it, it was over. */
      readonly stillborn?: boolean;
    }
  | { readonly type: 'extended'; readonly name: string; readonly owner: string; readonly untilMs: number; readonly copy: boolean }
  | {
      readonly type: 'ended';
      readonly name: string;
      readonly owner: string;
      readonly by: 'released' | 'abandoned' | 'revoked' | 'stolen';
    }
  /** The store took a place in its queue for an owner that had none, or gave it up on demand. */
  | {
      readonly type: 'queued';
      readonly process: string;
      readonly name: string;
      readonly owner: string;
      readonly mode: Mode;
      readonly copy: boolean;
    }
  | { readonly type: 'unqueued'; readonly name: string; readonly owner: string }
  /** One of several nodes did something that it was asked for. For people who read a trace. */
  | {
      readonly type: 'node';
      readonly node: number;
      readonly call: string;
      readonly owner: string;
      readonly said: string;
      readonly copy: boolean;
    }
  /** What one of several nodes had for an owner ran out there: neither renewed nor given back. */
  | {
      readonly type: 'lapsed';
      readonly node: number;
      readonly process: string;
      readonly name: string;
      readonly owner: string;
      readonly copy: boolean;
    }
  /** The store forgot what it knew since `sinceMs`. */
  | { readonly type: 'forgot'; readonly sinceMs: number }
  /** A write reached the sink. */
  | {
      readonly type: 'wrote';
      readonly op: string;
      readonly name: string;
      readonly fence: bigint;
      readonly accepted: boolean;
      readonly newest: bigint;
      /** When it left the process. */
      readonly sentMs: number;
    }
  /** Something that is no fault of the code under test. `process` undefined: everybody's. */
  | {
      readonly type: 'fault';
      readonly what: string;
      readonly process: string | undefined;
      /** On the way to this one of several nodes only. */
      readonly node?: number;
      readonly fromMs: number;
      readonly toMs: number;
    }
  | { readonly type: 'died'; readonly process: string }
  | { readonly type: 'closing'; readonly process: string }
  | { readonly type: 'closed'; readonly process: string }
  /** After the end: timers that keep a closed process alive, and what the store still shows of processes that live. */
  | { readonly type: 'timers-left'; readonly process: string; readonly count: number }
  | {
      readonly type: 'left-in-store';
      readonly process: string;
      readonly owner: string;
      readonly name: string;
      readonly state: 'held' | 'waiting';
    }
  | { readonly type: 'warned'; readonly process: string; readonly message: string; readonly cause: string }
  | { readonly type: 'unhandled'; readonly message: string }
  /** Far more events than the work can explain. */
  | { readonly type: 'spinning'; readonly events: number };

/** `index` is the order in which things really happened, `atMs` is true time. */
export type HistoryEvent = Happening & { readonly index: number; readonly atMs: number };

export interface History {
  readonly promises: Promises;
  readonly events: readonly HistoryEvent[];
}

/** Writes a history down while it happens. */
export class Recorder {
  readonly events: HistoryEvent[] = [];
  /** True time. */
  readonly nowMs: () => number;

  constructor(nowMs: () => number) {
    this.nowMs = nowMs;
  }

  add(happening: Happening): void {
    this.events.push({ ...happening, index: this.events.length, atMs: this.nowMs() });
  }
}

/** One line per event, the same for the same run. */
export function formatEvent(event: HistoryEvent): string {
  const { index, atMs, type, ...rest } = event;
  const fields = Object.entries(rest).map(([key, value]) => `${key}=${showValue(value)}`);
  return `${atMs.toFixed(3).padStart(11)} ${String(index).padStart(5)} ${type.padEnd(9)} ${fields.join(' ')}`;
}

function showValue(value: unknown): string {
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toFixed(3);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
