import { setTimeout } from 'node:timers';
import { backoffMs } from '../../core/backoff.js';
import { Calls } from '../../core/calls.js';
import type { Ports } from '../../core/clock.js';
import { ClosedError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { type Endpoint, Endpoints } from './endpoints.js';
import { fault, type Verdict, verdictOf } from './errors.js';
import type { GrpcMetadata, GrpcStream } from './grpc.js';
import type { Method } from './methods.js';
import { authenticate } from './methods.js';
import type { Settings } from './options.js';

/** Pauses between the tries of one call: an election takes a second. */
const pauseMsMin = 5;
const pauseMsMax = 250;

/** Share of what is left of a call's time that one member gets, while there are others. */
const tryRatio = 0.4;

/** Verdicts after which the same call may succeed, here or on another member. */
const passing: ReadonlySet<Verdict> = new Set(['refused', 'unknown', 'token']);

/**
 * Calls to the members, each with a deadline of its own whatever grpc-js does, and tried again within it: on the next member after
 * one that failed. All requests of this store are idempotent by what they compare, so that one whose reply was lost is
 * settled by sending it again.
 */
export class Rpc {
  readonly endpoints: Endpoints;
  readonly ports: Ports;
  readonly #settings: Settings;
  readonly #calls: Calls;
  #token: string | undefined;
  #ordinary: { readonly token: string | undefined; readonly metadata: GrpcMetadata } | undefined;
  #authenticating: Promise<void> | undefined;
  #closed = false;

  constructor(settings: Settings, ports: Ports) {
    this.ports = ports;
    this.#settings = settings;
    this.#calls = new Calls(ports);
    this.endpoints = new Endpoints(settings.grpc, settings.endpoints, settings.credentials, ports.random());
  }

  /**
   * @param noted told whether some try may have taken effect although it was not answered
   * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError, and what `verdictOf` has a name for
   */
  async call<In, Out>(
    method: Method<In, Out>,
    request: In,
    timeoutMs: number,
    noted: { uncertain: boolean } = { uncertain: false },
  ): Promise<Out> {
    const dueMs = this.ports.now().monotonicMs + timeoutMs;
    for (let tries = 1; ; tries++) {
      const endpoint = this.endpoints.current;
      const leftMs = dueMs - this.ports.now().monotonicMs;
      try {
        await this.#authenticated(leftMs);
        return await this.once(endpoint, method, request, this.#tryMs(leftMs));
      } catch (error) {
        this.mustBeOpen();
        const verdict = verdictOf(error);
        if (verdict === 'token') this.#token = undefined;
        if (verdict === 'unknown' || verdict === 'refused') this.endpoints.failed(endpoint);
        noted.uncertain ||= verdict === 'unknown';
        const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, this.ports.random());
        const isOver = this.ports.now().monotonicMs + pauseMs >= dueMs;
        if (isOver || !passing.has(verdict)) throw this.#asOurs(error, verdict, method.doing, noted.uncertain);
        await new Promise<void>((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  /** One try on one member. @throws OutcomeUnknownError after `timeoutMs`, what grpc-js throws */
  once<In, Out>({ client }: Endpoint, method: Method<In, Out>, request: In, timeoutMs: number): Promise<Out> {
    this.mustBeOpen();
    return new Promise((resolve, reject) => {
      let sent: { cancel(): void } | undefined;
      const send = () =>
        new Promise<Out>((answered, failed) => {
          const { path, encode, decode, hasLeader } = method;
          const metadata = this.#metadata(hasLeader) as never;
          sent = client.makeUnaryRequest(path, encode, decode, request, metadata, {}, (error, value) => {
            if (error) failed(error);
            else answered(value as Out);
          });
        });
      this.#calls.within(timeoutMs, this.ports.now(), `etcd: ${method.doing}`, send, resolve, (error) => {
        sent?.cancel();
        reject(error);
      });
    });
  }

  /** A stream to the member in use. It ends with an error when that member has lost its leader. */
  async stream<In, Out>(
    method: Method<In, Out>,
    timeoutMs: number,
  ): Promise<{ readonly stream: GrpcStream; readonly endpoint: Endpoint }> {
    this.mustBeOpen();
    await this.#authenticated(timeoutMs);
    this.mustBeOpen();
    const endpoint = this.endpoints.current;
    const { path, encode, decode } = method;
    return { stream: endpoint.client.makeBidiStreamRequest(path, encode, decode, this.#metadata(true) as never), endpoint };
  }

  /** The deadline of anything else. @throws OutcomeUnknownError */
  within<T>(timeoutMs: number, doing: string, call: () => Promise<T>): Promise<T> {
    return this.#calls.promise(timeoutMs, doing, call);
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    this.#closed = true;
    this.endpoints.close();
  }

  /** The same for all calls: grpc-js copies it before it adds anything. */
  #metadata(hasLeader: boolean): GrpcMetadata {
    const known = this.#ordinary;
    if (hasLeader && known !== undefined && known.token === this.#token) return known.metadata;
    const metadata = new this.#settings.grpc.Metadata();
    // A member without a leader says so at once, instead of waiting for one.
    if (hasLeader) metadata.set('hasleader', 'true');
    if (this.#token !== undefined) metadata.set('token', this.#token);
    if (hasLeader) this.#ordinary = { token: this.#token, metadata };
    return metadata;
  }

  /** A member that hangs must leave time for the next one. */
  #tryMs(leftMs: number): number {
    const share = this.endpoints.all.length > 1 ? leftMs * tryRatio : leftMs;
    return Math.max(1, Math.min(leftMs, Math.max(limits.callTimeoutMsMin, share)));
  }

  async #authenticated(timeoutMs: number): Promise<void> {
    const { user } = this.#settings;
    if (user === undefined || this.#token !== undefined) return;
    this.#authenticating ??= this.once(this.endpoints.current, authenticate, user, this.#tryMs(timeoutMs))
      .then(({ token }) => {
        this.#token = token;
      })
      .finally(() => {
        this.#authenticating = undefined;
      });
    await this.#authenticating;
  }

  /** Those that somebody else knows what to do about stay as they are. */
  #asOurs(error: unknown, verdict: Verdict, doing: string, uncertain: boolean): unknown {
    const handled = verdict === 'lease-gone' || verdict === 'lease-exists' || verdict === 'compacted';
    return handled ? error : fault(error, doing, uncertain);
  }

  mustBeOpen(): void {
    if (this.#closed) throw new ClosedError('this etcd backend is closed: make a new one');
  }
}
