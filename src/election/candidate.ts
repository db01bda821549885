import { AsyncLocalStorage } from 'node:async_hooks';
import type { Metadata } from '../core/backend.js';
import { isPermanent } from '../core/calls.js';
import { backoffMs } from '../core/backoff.js';
import { type Ports, systemPorts } from '../core/clock.js';
import { checkedMetadata, refuseUnknown } from '../core/checks.js';
import { detached } from '../core/detached.js';
import { ClosedError, HoldfastError, InvalidArgumentError } from '../core/errors.js';
import type { Holdfast } from '../core/holdfast.js';
import type { Lease } from '../core/lease.js';
import { limits } from '../core/limits.js';
import { pause } from '../core/pause.js';
import { LeasedTerm, type Term } from './term.js';

/** What a leader does. It leads until this has ended: it should end soon after `signal` is aborted. */
export type LeadWork = (term: Term) => unknown;

export interface LeadOptions {
  /** How long a leader that vanished keeps the others waiting. Default: that of the instance. */
  readonly ttlMs?: number;
  /** Shown to everyone who observes: where the leader can be reached, its version. */
  readonly metadata?: Metadata;
  /**
   * Told what the work threw although it was not lost and not asked to end. With it the candidate campaigns again; without it
   * the candidacy ends, and `ended` rejects with that error.
   */
  readonly onError?: (error: unknown, term: bigint) => void;
  /** Told of every change of state. What it throws becomes a warning. */
  readonly onState?: (state: CandidateState) => void;
  /** Closes the candidate when it is aborted. */
  readonly signal?: AbortSignal;
}

export type CandidateState =
  /** `error`: why the last campaign failed, or what its work threw. */
  | { readonly state: 'campaigning'; readonly error?: unknown }
  | { readonly state: 'leading'; readonly term: bigint }
  /** The work has been told to end. After a loss somebody else may lead already; else nobody does before the work has ended. */
  | { readonly state: 'stepping-down'; readonly term: bigint; readonly because: 'lost' | 'resigned' | 'closed' }
  | { readonly state: 'ended'; readonly error?: unknown };

/** Somebody who wants to lead, again and again until closed. */
export interface Candidate extends AsyncDisposable {
  readonly name: string;
  readonly state: CandidateState;
  /**
   * Resolves when the candidate was closed, by itself or with its instance. Rejects with what the work threw if there is no `onError`,
   * and with what makes further campaigns pointless: wrong options, a store that refuses for good.
   */
  readonly ended: Promise<void>;
  /**
   * Asks the work to end, waits until it has and the lease was given back; then campaigns again, behind those who wait. Does nothing
   * without a term. Called inside the work, it does not wait for it.
   */
  resign(): Promise<void>;
  /** The same, and no further campaign. May be called again. */
  close(): Promise<void>;
}

/**
 * Campaigns for `name` and leads whenever it is elected, one term after the other, until closed. At any moment at most one
 * candidate believes that it leads; its `term` is larger than all before.
 *
 * The lease is released only after the work has ended. After a loss it is not ours to release: the next leader may start while
 * the work of this one still runs, and only sinks that compare terms keep its late writes out. This candidate does not campaign
 * before its own work has ended.
 *
 * Close candidates before the instance: its `close()` waits for work that runs.
 *
 * @throws InvalidArgumentError
 */
export function lead(locks: Holdfast, name: string, work: LeadWork, options: LeadOptions = {}): Candidate {
  refuseUnknown(options, ['ttlMs', 'metadata', 'onError', 'onState', 'signal']);
  if (typeof work !== 'function') throw new InvalidArgumentError('lead needs a function that does the work of the leader');
  checkedMetadata(options.metadata);
  return new Campaigns(locks, name, work, options, systemPorts());
}

/** How a campaign, and the term that it may have led to, came to its end. */
interface Outcome {
  readonly error?: unknown;
  /** Nothing went wrong: the next campaign need not be put off. */
  readonly well: boolean;
  readonly over: boolean;
}

class Campaigns implements Candidate {
  readonly name: string;
  readonly ended: Promise<void>;
  readonly #locks: Holdfast;
  readonly #work: LeadWork;
  readonly #options: LeadOptions;
  readonly #ports: Ports;
  /** Ends waiting, and the pauses between campaigns. */
  readonly #closing = new AbortController();
  readonly #inside = new AsyncLocalStorage<true>();
  #state: CandidateState = { state: 'campaigning' };
  #term: LeasedTerm | undefined;
  /** Of the running term: settles, without an error, when its lease was given back. */
  #campaign: Promise<Outcome> | undefined;

  constructor(locks: Holdfast, name: string, work: LeadWork, options: LeadOptions, ports: Ports) {
    this.#locks = locks;
    this.name = name;
    this.#work = work;
    this.#options = options;
    this.#ports = ports;
    const { signal } = options;
    const close = () => void this.close();
    signal?.addEventListener('abort', close, { once: true });
    if (signal?.aborted) this.#closing.abort();
    // Not in the caller's context: a candidacy outlives the request in which it may have been begun.
    this.ended = detached(() => this.#run()).finally(() => signal?.removeEventListener('abort', close));
  }

  get state(): CandidateState {
    return this.#state;
  }

  async resign(): Promise<void> {
    const campaign = this.#campaign;
    if (!this.#stepDown('resigned', 'the leader resigned')) return;
    if (!this.#isInside) await campaign;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#stepDown('closed', 'the candidate was closed');
    if (!this.#isInside) await this.ended.catch(() => undefined);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Called by the work, or by what the work has begun: it must not wait for itself. */
  get #isInside(): boolean {
    return this.#inside.getStore() !== undefined;
  }

  async #run(): Promise<void> {
    let failures = 0;
    let error: unknown;
    try {
      while (!this.#closing.signal.aborted) {
        this.#campaign = this.#elect();
        const outcome = await this.#campaign;
        if (outcome.over) {
          error = outcome.error;
          break;
        }
        failures = outcome.well ? 0 : failures + 1;
        this.#enter({ state: 'campaigning', ...(outcome.error === undefined ? {} : { error: outcome.error }) });
        await this.#pause(failures);
      }
    } finally {
      this.#enter({ state: 'ended', ...(error === undefined ? {} : { error }) });
    }
    if (error !== undefined) throw error;
  }

  /** Waits for the lease, leads, and gives it back. */
  async #elect(): Promise<Outcome> {
    const { ttlMs, metadata } = this.#options;
    let led: Promise<Outcome> | undefined;
    const request = {
      alone: true,
      signal: this.#closing.signal,
      ...(ttlMs === undefined ? {} : { ttlMs }),
      ...(metadata === undefined ? {} : { metadata }),
    };
    try {
      await this.#locks.request(this.name, request, (lease) => (led = this.#lead(lease as Lease)));
    } catch (error) {
      // After a loss the request is over before the work is.
      if (led === undefined) return this.#notElected(error);
    }
    return (await led) ?? { well: true, over: false };
  }

  #notElected(error: unknown): Outcome {
    const cause = error instanceof Error && !(error instanceof HoldfastError) ? (error.cause ?? error) : error;
    if (this.#closing.signal.aborted || cause instanceof ClosedError) return { well: true, over: true };
    return { error: cause, well: false, over: isPermanent(cause) || !(cause instanceof HoldfastError) };
  }

  /** Never rejects. */
  async #lead(lease: Lease): Promise<Outcome> {
    const term = new LeasedTerm(lease, () => this.#stepDown('resigned', 'the leader resigned'));
    const { signal } = lease;
    const lost = () => this.#enter({ state: 'stepping-down', term: term.number, because: 'lost' });
    signal.addEventListener('abort', lost, { once: true });
    this.#term = term;
    this.#enter({ state: 'leading', term: term.number });
    let thrown: { readonly error: unknown } | undefined;
    try {
      if (this.#closing.signal.aborted) this.#stepDown('closed', 'the candidate was closed');
      await this.#inside.run(true, () => this.#work(term));
    } catch (error) {
      thrown = { error };
    }
    this.#term = undefined;
    // Before the release, which ends this signal, too.
    signal.removeEventListener('abort', lost);
    const loss: unknown = lease.signal.aborted ? signal.reason : undefined;
    return this.#endOf(term, loss, thrown);
  }

  #endOf(term: LeasedTerm, loss: unknown, thrown: { readonly error: unknown } | undefined): Outcome {
    // What work throws because it was told to end is no fault of its own.
    if (thrown === undefined || term.toldToEnd) {
      return loss === undefined ? { well: true, over: false } : { error: loss, well: false, over: false };
    }
    const { onError } = this.#options;
    if (onError === undefined) return { error: thrown.error, well: false, over: true };
    this.#tell('onError', () => onError(thrown.error, term.number));
    return { error: thrown.error, well: false, over: false };
  }

  /** False if there is nobody to tell. */
  #stepDown(because: 'resigned' | 'closed', why: string): boolean {
    const term = this.#term;
    if (term === undefined || term.toldToEnd) return term !== undefined;
    this.#enter({ state: 'stepping-down', term: term.number, because });
    term.stepDown(why);
    return true;
  }

  #pause(failures: number): Promise<void> {
    const { campaignPauseMsMin: min, campaignPauseMsMax: max } = limits;
    // Also after a term that ended well: where the store has no queue, the others are to come first.
    return pause(this.#ports, backoffMs(Math.max(1, failures), min, max, this.#ports.random()), this.#closing.signal);
  }

  #enter(state: CandidateState): void {
    this.#state = state;
    const { onState } = this.#options;
    if (onState !== undefined) this.#tell('onState', () => onState(state));
  }

  #tell(which: string, listener: () => void): void {
    try {
      listener();
    } catch (error) {
      this.#ports.warn(`${which} of the candidate for "${this.name}" threw; the election is not affected`, error);
    }
  }
}
