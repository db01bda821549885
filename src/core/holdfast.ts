import { AsyncResource } from 'node:async_hooks';
import { Buffer } from 'node:buffer';
import { AcquiredLease } from './acquired.js';
import type { Backend, LockRecord, Revocation } from './backend.js';
import { Caller, type CallerActions } from './caller.js';
import { Background, withDeadline } from './calls.js';
import { type Ports, systemPorts } from './clock.js';
import { ClosedError, DeadlockError, HoldfastError, InvalidArgumentError } from './errors.js';
import { Emitter, type LockEventType, type LockListener, lockEventTypes } from './events.js';
import type { StoreContext } from './giving-back.js';
import { Keeper } from './keeper.js';
import type { HeldLease, Lease, Turn } from './lease.js';
import { limits } from './limits.js';
import { type LockName, parseName } from './name.js';
import { type NodeIdentity, nodeId } from './node.js';
import {
  type AcquireOptions,
  type ConvertedOptions,
  convertOptions,
  type Defaults,
  domException,
  type HoldfastOptions,
  nearest,
  parseDefaults,
  parseRequest,
  type RequestOptions,
  type Settings,
  typeError,
} from './options.js';
import { type Path, Paths, type Suspicion } from './path.js';
import { NameQueue, type QueueContext } from './queue.js';
import { type LeaseSet, requestInOrder } from './request-all.js';
import { type LockSnapshot, readRecords, snapshot } from './snapshot.js';

/** Callback of `request`. */
export type LockCallback<T, L = Lease> = (lease: L) => T | PromiseLike<T>;

export interface Inspection {
  readonly name: string;
  readonly held: readonly LockRecord[];
  /** In the order of the queue. */
  readonly waiting: readonly LockRecord[];
}

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
  readonly #backend: Backend;
  readonly #ports: Ports;
  readonly #defaults: Defaults;
  readonly #emitter: Emitter;
  readonly #background: Background;
  readonly #context: QueueContext;
  readonly #paths = new Paths();
  readonly #queues = new Map<string, NameQueue>();
  /** Leases of `acquire` that nobody has released: `close` does. */
  readonly #acquired = new Set<() => void>();
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
    this.#backend = backend;
    this.#ports = ports;
    this.#defaults = parseDefaults(options, backend.traits);
    this.node = ports.identity();
    this.#emitter = new Emitter((message, cause) => ports.warn(message, cause));
    this.#background = new Background((message, cause) => ports.warn(message, cause));
    const { callTimeoutMs, unavailableMs } = this.#defaults;
    const store: StoreContext = { backend, ports, background: this.#background, node: this.node, callTimeoutMs, unavailableMs };
    const clientId = nodeId(this.node);
    this.#context = {
      store,
      hold: { ports, emitter: this.#emitter, keeper: new Keeper(backend, ports, callTimeoutMs), clientId },
      emitter: this.#emitter,
      clientId,
      onIdle: (queue) => {
        if (this.#queues.get(queue.name.encoded) === queue) this.#queues.delete(queue.name.encoded);
      },
    };
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
  async request<T>(...args: unknown[]): Promise<T> {
    if (args.length < 2) throw typeError('request needs a name and a callback');
    const text = `${args[0] as string}`;
    const options = convertOptions(args.length > 2 ? args[1] : undefined);
    const callback = toCallback<T>(args.length > 2 ? args[2] : args[1]);
    const request = this.#parse(text, options);
    const { path, done } = this.#enterPath(request, request.settings.reentry === 'refuse');
    // Another caller's turn ends before this one begins: without this, the callback would run in that one's async context.
    // Manual: nothing to destroy, and no finalizer to register, which would cost more than the whole turn.
    const context = new AsyncResource('HoldfastRequest', { requireManualDestroy: true });
    return new Promise<T>((resolve, reject) => {
      let settle = () => reject(new Error('unreachable: the work has not ended'));
      this.#enter(request, {
        begin: async (turn) => {
          try {
            path.running = true;
            path.holds = turn !== null;
            const value = await context.runInAsyncScope(() => this.#paths.run(path, () => callback(turn)));
            settle = () => resolve(value);
          } catch (error) {
            settle = () => reject(error);
          } finally {
            path.holds = false;
            path.running = false;
            done();
          }
        },
        lost: (error) => {
          path.holds = false;
          reject(domException('AbortError', error));
        },
        fail: (reason) => {
          done();
          reject(reason instanceof ClosedError ? domException('AbortError', reason) : reason);
        },
        over: () => settle(),
      });
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
    const callback = toCallback<T>(args.length > 2 ? args[2] : args[1]);
    // All are checked before the first is asked for.
    const requests = texts.map((text) => this.#parse(text, options));
    const waitMs = requests[0]?.settings.waitMs;
    return requestInOrder<T>(this, this.#ports, texts, { ...(options.given as RequestOptions) }, waitMs, callback as never);
  }

  /**
   * Waits for the lock and hands it out until `release()` (or the end of an `await using` block).
   *
   * @throws HoldfastError with code `BUSY` (`waitMs: 0`), `TIMED_OUT`, `DEADLOCK` (this async context holds it),
   *   `BACKEND_UNAVAILABLE`, `OUTCOME_UNKNOWN`, `INVALID_ARGUMENT`, `NOT_SUPPORTED`, `CLOSED`; or the signal's reason
   */
  async acquire(name: string, options?: AcquireOptions): Promise<HeldLease> {
    const request = this.#parseForAcquire(name, options);
    const { done } = this.#enterPath(request, !request.settings.steal);
    return new Promise<HeldLease>((resolve, reject) => {
      let lease: AcquiredLease | undefined;
      this.#enter(request, {
        begin: (turn) =>
          new Promise<void>((workDone) => {
            const finish = () => {
              this.#acquired.delete(finish);
              done();
              workDone();
            };
            this.#acquired.add(finish);
            lease = new AcquiredLease(turn as Turn, finish);
            resolve(lease);
          }),
        lost: () => undefined,
        fail: (reason) => {
          done();
          reject(reason);
        },
        over: () => lease?.over(),
      });
    });
  }

  /** Everyone's locks and requests, not only ours. Sees every request that this instance made before. */
  async query(prefix = ''): Promise<LockSnapshot> {
    this.#refuseIfClosed();
    const records = await readRecords(this.#backend, this.#ports, this.#defaults.callTimeoutMs, `${prefix}`);
    const queues = [...this.#queues.values()].filter((queue) => queue.name.text.startsWith(prefix));
    return snapshot(records, queues, this.node, this.#ports);
  }

  /** What the store knows of one name. */
  async inspect(name: string): Promise<Inspection> {
    this.#refuseIfClosed();
    const { text } = parseName(`${name}`);
    const records = await readRecords(this.#backend, this.#ports, this.#defaults.callTimeoutMs, text);
    const own = records.filter((record) => record.name === text);
    return {
      name: text,
      held: own.filter((record) => record.state === 'held'),
      waiting: own.filter((record) => record.state === 'waiting'),
    };
  }

  /**
   * Ends every hold on a name. The holders hear of it with their next renewal at the latest; until they do, only a
   * fence keeps their writes out: the next fence is higher.
   */
  async revoke(name: string, { reason }: { readonly reason: string }): Promise<Revocation> {
    this.#refuseIfClosed();
    const parsed = parseName(`${name}`);
    if (typeof reason !== 'string' || reason.trim() === '' || Buffer.byteLength(reason) > limits.reasonBytesMax) {
      throw new InvalidArgumentError(`revoke needs a reason of 1 to ${limits.reasonBytesMax} bytes: it is shown to the holder`);
    }
    const { callTimeoutMs, ttlMs } = this.#defaults;
    const revocation = await withDeadline(this.#ports, callTimeoutMs, 'revoking', () =>
      this.#backend.revoke(parsed, { kind: 'revoked', reason, node: this.node }),
    );
    this.#queues.get(parsed.encoded)?.servings.revoked(new Set(revocation.ended.map((record) => record.ownerDigest)));
    if (revocation.ended.length > 0) {
      const mode = revocation.ended[0]?.mode ?? 'exclusive';
      this.#emitter.emit('revoked', () => ({
        name: parsed.text,
        mode,
        node: this.#context.clientId,
        ttlMs,
        kind: 'revoked',
        reason,
      }));
    }
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
   * ended (renewing their locks meanwhile), then closes the backend. May be called again; all calls end together.
   *
   * @throws DeadlockError when called inside a callback of `request`, for which it would have to wait
   */
  close(): Promise<void> {
    if (this.#paths.current() !== undefined) {
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
    for (const queue of [...this.#queues.values()]) queue.rejectWaiting(() => closedError(queue.name.text));
    for (const release of [...this.#acquired]) release();
    await this.#allIdle();
    await this.#background.settled();
    await withDeadline(this.#ports, this.#defaults.callTimeoutMs, 'closing the store', () => this.#backend.close());
  }

  #allIdle(): Promise<void> {
    return Promise.all([...this.#queues.values()].map((queue) => queue.whenIdle())).then(() => undefined);
  }

  #parse(text: string, options: ConvertedOptions): Request {
    if (this.#closing !== undefined) throw domException('InvalidStateError', closedError(text));
    const settings = parseRequest(text, options, this.#defaults, this.#backend.traits);
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

  #enter({ name, settings }: Request, actions: CallerActions): void {
    let queue = this.#queues.get(name.encoded);
    if (queue === undefined) {
      queue = new NameQueue(name, this.#context);
      this.#queues.set(name.encoded, queue);
    }
    queue.enter(new Caller(settings, this.#ports.now(), actions));
  }

  /** Looks for deadlocks in the making; what it returns marks the callback's async context. */
  #enterPath({ name, settings }: Request, refuseReentry: boolean): { path: Path; done: () => void } {
    const nested = this.#paths.current() !== undefined;
    const wantsStack = this.#emitter.wanted('deadlock-suspected');
    const stack = wantsStack ? (new Error(`request of "${name.text}"`).stack ?? '') : '';
    const path: Path = {
      name,
      mode: settings.mode,
      instance: this.#paths,
      stack,
      parent: this.#paths.parent(),
      holds: false,
      running: false,
    };
    if (!nested) return { path, done: () => undefined };
    const outer = settings.steal || settings.ifAvailable ? undefined : this.#paths.reentered(name, settings.mode);
    if (outer !== undefined) {
      this.#suspect(path, settings, { because: 'reentry', otherName: outer.name.text, otherStack: outer.stack });
      if (refuseReentry) {
        const message = `this async context already holds "${name.text}": waiting for it would never end; pass the lease on, or do not await the inner request`;
        throw new DeadlockError(message, { lock: name.text });
      }
    }
    const { suspicion, done } = this.#paths.asking(name, stack);
    if (suspicion !== undefined) this.#suspect(path, settings, suspicion);
    return { path, done };
  }

  #suspect(path: Path, { ttlMs }: Settings, suspicion: Suspicion): void {
    this.#emitter.emit('deadlock-suspected', () => ({
      ...suspicion,
      name: path.name.text,
      mode: path.mode,
      node: this.#context.clientId,
      ttlMs,
      stack: path.stack,
    }));
  }

  #refuseIfClosed(): void {
    if (this.#closing !== undefined) throw domException('InvalidStateError', closedError(''));
  }
}

function closedError(lock: string): ClosedError {
  return new ClosedError('this Holdfast instance is closed: create a new one', { lock });
}

function toCallback<T>(value: unknown): LockCallback<T, Lease | null> {
  if (typeof value !== 'function')
    throw typeError(`the callback is ${typeof value}, not a function: pass what is to run under the lock`);
  return value as LockCallback<T, Lease | null>;
}
