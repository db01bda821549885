import type { Traits } from '../core/backend.js';
import type { Holdfast } from '../core/holdfast.js';
import { limits } from '../core/limits.js';
import { type History, NotSeen } from './history.js';
import type { Verdict } from './judge.js';
import type { Opener } from './protocol.js';
import { type Turn, turnsOf } from './turns.js';
import { WorkerHandle } from './worker-handle.js';
import { MarkedSink } from './sink.js';

/** What a drill may use beyond the store itself. */
export interface Surroundings {
  readonly opener: Opener;
  /** Where the URL has hosts that speak plain TCP: the same store through other hosts. */
  readonly tcp?: { readonly url: string; readonly portDefault: number };
  /** Has the store fail over, and resolves when it has; or why that is not done. */
  readonly failOver: (() => Promise<void>) | { readonly why: string };
}

/** What all faults of a drill have in common. */
export interface Stage {
  /** Of all names. */
  readonly prefix: string;
  readonly ttlMs: number;
  readonly traits: Traits;
  /** The drill's own look at the store. */
  readonly locks: Holdfast;
  readonly around: Surroundings;
}

/** A store that answers may take so long on top of what is promised: the machine is a busy one, and workers poll. */
const slackMs = 1_000;
/** Stores round a TTL up, and look whether it is over from time to time: up to half as much again. */
const graceRatio = 1.5;
const startMsMax = 20_000;

/** One fault's stage: a name of its own, its workers, and what they have told. */
export class Scene {
  readonly name: string;
  readonly ttlMs: number;
  readonly traits: Traits;
  readonly locks: Holdfast;
  readonly history: History;
  readonly around: Surroundings;
  readonly #sink = new MarkedSink();
  readonly #workers: WorkerHandle[] = [];
  readonly #interrupted: AbortSignal;

  constructor({ prefix, ttlMs, traits, locks, around }: Stage, id: string, history: History, interrupted: AbortSignal) {
    this.name = `${prefix}${id}`;
    this.ttlMs = ttlMs;
    this.traits = traits;
    this.locks = locks;
    this.around = around;
    this.history = history;
    this.#interrupted = interrupted;
  }

  /** A process that has opened the store. */
  async worker(label: string, opener: Opener = this.around.opener): Promise<WorkerHandle> {
    const worker = new WorkerHandle(label, opener, this.history, this.#sink);
    this.#workers.push(worker);
    await this.history.seen(`${label} opens the store`, startMsMax, (note) =>
      note.type === 'ready' && note.worker === label ? note : undefined,
    );
    return worker;
  }

  /** How soon somebody who waits follows a holder that has fallen silent. */
  get handoverMs(): number {
    return this.ttlMs * graceRatio + this.promptMs;
  }

  /** The same where nobody has to wait for a TTL. */
  get promptMs(): number {
    return Math.min(this.traits.pollMs, limits.pollMsMax) + slackMs;
  }

  get turns(): readonly Turn[] {
    return turnsOf(this.history.notes);
  }

  turnOf(worker: WorkerHandle, turn = 1): Turn | undefined {
    return this.turns.find((one) => one.worker === worker.label && one.turn === turn);
  }

  /** A turn of a worker begins; undefined if it does not, within twice the time that it may take. */
  async granted(worker: WorkerHandle, withinMs: number, turn = 1): Promise<number | undefined> {
    return this.maybe(withinMs * 2, (note) =>
      note.type === 'granted' && note.worker === worker.label && note.turn === turn ? note.atMs : undefined,
    );
  }

  /** Undefined if it is not seen in time. */
  async maybe<T>(withinMs: number, pick: Parameters<typeof this.history.seen<T>>[2]): Promise<T | undefined> {
    try {
      return await this.history.seen('it', withinMs, pick);
    } catch (error) {
      if (error instanceof NotSeen) return undefined;
      throw error;
    }
  }

  /** Time in which something must not happen. @throws the reason of an interruption */
  pause(ms: number): Promise<void> {
    return this.maybe(ms, () => undefined).then(() => this.#interrupted.throwIfAborted());
  }

  /** Whatever state they are in. */
  async end(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.leave()));
  }
}

/** What a fault is: what it is called, where it cannot be tried, and what is done. */
export interface Fault {
  readonly id: string;
  /** For people. */
  readonly title: string;
  /** It keeps the machine busy, or shakes the store: nothing else is tried meanwhile. */
  readonly alone?: boolean;
  /** False where the store's page promises no exclusion while it happens: the fault judges it by itself. */
  readonly excludes?: boolean;
  /** Why it cannot be tried there; undefined where it can. */
  readonly notHere?: (around: Surroundings) => string | undefined;
  readonly try: (scene: Scene) => Promise<readonly Verdict[]>;
}
