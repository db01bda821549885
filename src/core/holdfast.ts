import { AcquireWork } from './acquired.js';
import type { Backend, Revocation } from './backend.js';
import { Background } from './background.js';
import { Calls } from './calls.js';
import { type Ports, systemPorts } from './clock.js';
import { ClosedError, DeadlockError, HoldfastError, InvalidArgumentError } from './errors.js';
import { Emitter, type LockEventType, type LockListener, lockEventTypes } from './events.js';
import type { StoreContext } from './giving-back.js';
import { Keeper } from './keeper.js';
import type { HeldLease, Lease } from './lease.js';
import { limits } from './limits.js';
import { type LockName, parseName } from './name.js';
import { nearest } from './nearest.js';
import { type NodeIdentity, nodeId } from './node.js';
import {
  type AcquireOptions,
  type Defaults,
  type HoldfastOptions,
  parseDefaults,
  parseRequest,
  type RequestOptions,
  type Settings,
} from './options.js';
import { PathNotes } from './path-notes.js';
import { type Inspection, inspect, type RevokeOptions, readRecords, revoke } from './questions.js';
import { Queues } from './queues.js';
import { type LeaseSet, requestInOrder } from './request-all.js';
import { type LockCallback, RequestWork } from './requested.js';
import { Signals } from './signals.js';
import { type LockSnapshot, snapshot } from './snapshot.js';
import { Tracing } from './tracing.js';
import { type ConvertedOptions, convertCallback, convertOptions, domException, typeError } from './weblocks.js';

export type { Inspection, RevokeOptions } from './questions.js';
export type { LockCallback } from './requested.js';

interface Request {
  readonly name: LockName;
  readonly settings: Settings;
}

/**
 * Distributed leases with the API of the Web Locks specification (w3.org/TR/web-locks), on any backend.
 *
 * One instance per process and store is enough; everything that it holds is renewed together.
 */
export class Holdfast {
  /** Who this instance is to others. */
  readonly node: NodeIdentity;
  readonly #defaults: Defaults;
  readonly #emitter: Emitter;
  readonly #store: StoreContext;
  readonly #queues: Queues;
  readonly #notes: PathNotes;
  /** Leases of `acquire` that nobody has released: `close` does. */
  readonly #acquired = new Set<() => void>();
  readonly #tracing: Tracing | undefined;
  #closing: Promise<void> | undefined;

  /**
   * @param backend where the leases live, e.g. `sqlite()`
   * @param options defaults for all requests
   * @param ports clock, timers and randomness; only a simulator brings its own
   * @throws InvalidArgumentError naming the option that is not valid
   */
  constructor(backend: Backend, options: HoldfastOptions = {}, ports: Ports = systemPorts()) {
    if (typeof backend?.acquire !== 'function') {
      throw new InvalidArgumentError(
        'the first argument is not a backend: pass what sqlite(), memory() or another backend returns',
      );
    }
    this.#defaults = parseDefaults(options, backend.traits);
    const { callTimeoutMs, unavailableMs, tracer } = this.#defaults;
    this.node = ports.identity();
    const clientId = nodeId(this.node);
    const emitter = new Emitter((message, cause) => ports.warn(message, cause), lockEventTypes);
    const calls = new Calls(ports, { emitter, node: clientId });
    const background = new Background(ports, calls);
    const keeper = new Keeper(backend, ports, calls, callTimeoutMs);
    this.#emitter = emitter;
    this.#tracing = tracer && new Tracing(tracer, (message, cause) => ports.warn(message, cause), clientId);
    this.#store = { backend, ports, calls, background, node: this.node, callTimeoutMs, unavailableMs };
    const hold = { ports, emitter, keeper, clientId };
    this.#queues = new Queues({ store: this.#store, hold, signals: new Signals() });
    this.#notes = new PathNotes(emitter, clientId);
  }

  /**
   * Waits for the lock, runs the callback while it is held and renewed, and releases it when the callback has settled.
   * Resolves or rejects as the callback does.
   *
   * @throws what the specification says (`TypeError`, `DOMException`), always with a `HoldfastError` as its cause:
   *   `AbortError` if the lease is lost or the instance closed; the signal's reason if it aborts the wait;
   *   and HoldfastError with code `BUSY`, `TIMED_OUT`, `BACKEND_UNAVAILABLE`, `INVALID_ARGUMENT`, `LIMIT_EXCEEDED`
   */
  request<T>(name: string, callback: LockCallback<T>): Promise<T>;
  request<T>(name: string, options: RequestOptions & { ifAvailable: true }, callback: LockCallback<T, Lease | null>): Promise<T>;
  request<T>(name: string, options: RequestOptions & { ifAvailable?: false }, callback: LockCallback<T>): Promise<T>;
  request<T>(name: string, options: RequestOptions, callback: LockCallback<T, Lease | null>): Promise<T>;
  request<T>(...args: unknown[]): Promise<T> {
    // Not an async function: each promise less shows in the cost of a free lock.
    return new Promise((resolve, reject) => {
      if (args.length < 2) throw typeError('request needs a name and a callback');
      const text = `${args[0] as string}`;
      const options = convertOptions(args.length > 2 ? args[1] : undefined);
      const callback = convertCallback<LockCallback<T, Lease | null>>(args.length > 2 ? args[2] : args[1]);
      const { name, settings } = this.#parse(text, options);
      const note = this.#notes.enter(name, settings, settings.reentry === 'refuse');
      const trace = this.#tracing?.follow('request', text, settings);
      const work: typeof callback = trace ? (lease) => trace.run(lease, () => callback(lease)) : callback;
      this.#queues.enter(name, settings, new RequestWork<T>(note, work, resolve, reject), trace);
    });
  }

  /**
   * Takes several locks in the order of their names, all or nothing, and runs the callback with their leases in the
   * order given. Taking them in one order everywhere is what keeps two such requests from waiting for each other.
   * `waitMs` is the time for all of them; with `ifAvailable` the callback gets `null` unless all are free.
   */
  requestAll<T>(names: readonly string[], callback: LockCallback<T, LeaseSet>): Promise<T>;
  requestAll<T>(
    names: readonly string[],
    options: RequestOptions & { ifAvailable?: false },
    callback: LockCallback<T, LeaseSet>,
  ): Promise<T>;
  requestAll<T>(names: readonly string[], options: RequestOptions, callback: LockCallback<T, LeaseSet | null>): Promise<T>;
  async requestAll<T>(...args: unknown[]): Promise<T> {
    const names = args[0];
    if (!Array.isArray(names) || names.length === 0 || names.length > limits.namesPerRequestMax) {
      throw typeError(`requestAll needs an array of 1 to ${limits.namesPerRequestMax} names`);
    }
    const texts = names.map((name) => `${name as string}`);
    const options = convertOptions(args.length > 2 ? args[1] : undefined);
    const callback = convertCallback<LockCallback<T, LeaseSet | null>>(args.length > 2 ? args[2] : args[1]);
    // All are checked before the first is asked for.
    const requests = texts.map((text) => this.#parse(text, options));
    const waitMs = requests[0]?.settings.waitMs;
    return requestInOrder<T>(this, this.#store.ports, texts, { ...(options.given as RequestOptions) }, waitMs, callback);
  }

  /**
   * Waits for the lock and hands it out until `release()` (or the end of an `await using` block).
   *
   * @throws HoldfastError with code `BUSY` (`waitMs: 0`), `TIMED_OUT`, `DEADLOCK` (this async context holds it; also with
   *   `waitMs: 0`, because that is a mistake of the program and not a busy lock),
   *   `BACKEND_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `INVALID_ARGUMENT`, `NOT_SUPPORTED`, `CLOSED`; or the signal's reason
   */
  acquire(name: string, options?: AcquireOptions): Promise<HeldLease> {
    return new Promise((resolve, reject) => {
      const request = this.#parseForAcquire(name, options);
      const { done } = this.#notes.enter(request.name, request.settings, !request.settings.steal);
      const trace = this.#tracing?.follow('acquire', request.name.text, request.settings);
      const handOut = (lease: HeldLease) => {
        trace?.handedOut(lease);
        resolve(lease);
      };
      this.#queues.enter(
        request.name,
        request.settings,
        new AcquireWork(this.#acquired, done, trace ? handOut : resolve, reject),
        trace,
      );
    });
  }

  /** Everyone's locks and requests, not only ours. Sees every request that this instance made before. */
  async query(prefix = ''): Promise<LockSnapshot> {
    this.#refuseIfClosed();
    const records = await readRecords(this.#store, `${prefix}`);
    return snapshot(records, this.#queues.below(prefix), this.node, this.#store.ports);
  }

  /**
   * What the store knows of one name.
   *
   * @throws InvalidArgumentError, also for the empty name where the store has no prefix; ClosedError, BackendUnavailableError, OutcomeUnknownError
   */
  async inspect(name: string): Promise<Inspection> {
    this.#refuseIfClosed();
    return inspect(this.#store, parseName(`${name}`));
  }

  /**
   * Ends every hold on a name. The holders hear of it with their next renewal at the latest; until they do, only a
   * fence keeps their writes out: the next fence is higher. With `ifFence`, nothing is ended unless a hold of that fence is there.
   *
   * @throws HoldfastError with code `INVALID_ARGUMENT`, `BACKEND_UNAVAILABLE`, `OUTCOME_UNKNOWN`
   */
  async revoke(name: string, options: RevokeOptions): Promise<Revocation> {
    this.#refuseIfClosed();
    const parsed = parseName(`${name}`);
    const { reason } = options;
    const revocation = await revoke(this.#store, parsed, options);
    const [first] = revocation.ended;
    if (first === undefined) return revocation;
    this.#queues.revoked(parsed, revocation.ended, reason);
    const event = { name: parsed.text, mode: first.mode, node: nodeId(this.node), ttlMs: this.#defaults.ttlMs } as const;
    this.#emitter.emit('revoked', () => ({ ...event, kind: 'revoked', reason }));
    return revocation;
  }

  /** Listens; the function returned stops it. A listener that throws is reported as a warning and harms no lock. */
  on<T extends LockEventType>(type: T, listener: LockListener<T>): () => void {
    if (!lockEventTypes.includes(type)) {
      const guess = nearest(String(type), lockEventTypes);
      throw new InvalidArgumentError(
        `unknown event "${String(type)}": ${guess ? `did you mean "${guess}"?` : `one of ${lockEventTypes.join(', ')}`}`,
      );
    }
    return this.#emitter.on(type, listener);
  }

  /**
   * Refuses new requests, rejects those that wait, releases leases of `acquire`, waits until running callbacks have
   * ended (renewing their locks meanwhile), then closes the backend. Releases that the store has not answered are tried for
   * `unavailableMs` more, and then left to their TTL. May be called again; all calls end together.
   *
   * @throws DeadlockError when called inside a callback of `request`, for which it would have to wait
   */
  close(): Promise<void> {
    if (this.#notes.inside) {
      return Promise.reject(new DeadlockError('close() inside a request would wait for that request: call it outside'));
    }
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    // After the assignment of #closing: what happens below must find the instance closing.
    await Promise.resolve();
    const { backend, calls, background, callTimeoutMs, unavailableMs } = this.#store;
    this.#queues.rejectWaiting(closedError);
    for (const release of [...this.#acquired]) release();
    await this.#queues.allIdle();
    await background.callbacksDone();
    await background.finish(unavailableMs);
    await calls.promise(callTimeoutMs, 'closing the store', () => backend.close());
  }

  #parse(text: string, options: ConvertedOptions): Request {
    if (this.#closing !== undefined) throw domException('InvalidStateError', closedError(text));
    const settings = parseRequest(text, options, this.#defaults, this.#store.backend.traits);
    return { name: parseName(text), settings };
  }

  /** Where the specification is not concerned, our errors come as themselves. */
  #parseForAcquire(name: string, options: AcquireOptions | undefined): Request {
    try {
      const converted = convertOptions(options);
      if ('ifAvailable' in converted.given) {
        throw new InvalidArgumentError('acquire has no ifAvailable: use waitMs: 0, which rejects with code BUSY');
      }
      return this.#parse(`${name}`, converted);
    } catch (error) {
      const cause = error instanceof Error && !(error instanceof HoldfastError) ? error.cause : undefined;
      throw cause instanceof HoldfastError ? cause : error;
    }
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw domException('InvalidStateError', closedError(''));
  }
}

function closedError(lock: string): ClosedError {
  return new ClosedError('this Holdfast instance is closed: create a new one', { lock });
}
