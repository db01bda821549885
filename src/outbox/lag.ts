import { randomBytes } from 'node:crypto';
import type { Ports } from '../core/clock.js';
import type { DatabaseFunctions } from '../core/database.js';
import { Emitter } from '../core/events.js';
import { limits } from '../core/limits.js';
import { type OutboxEvents, outboxChannelPrefix, outboxEventTypes } from './events.js';

/** How far behind the outbox is, for whoever listens. Asked beside the work of the relay, which never waits for it. */
export class Lag {
  readonly #functions: DatabaseFunctions;
  readonly #ports: Ports;
  readonly #emitter: Emitter<OutboxEvents>;
  /** Not the relay's own id, which is what its claims rest on. */
  readonly #relay = randomBytes(6).toString('hex');
  #nextMs = 0;

  constructor(functions: DatabaseFunctions, ports: Ports) {
    this.#functions = functions;
    this.#ports = ports;
    this.#emitter = new Emitter((message, cause) => ports.warn(message, cause), outboxEventTypes, outboxChannelPrefix);
  }

  look(): void {
    if (!this.#emitter.wanted('lag')) return;
    const nowMs = this.#ports.now().monotonicMs;
    if (nowMs < this.#nextMs) return;
    // None before this one has ended.
    const timeoutMs = limits.outboxLagEveryMs;
    this.#nextMs = nowMs + 2 * timeoutMs;
    void this.#functions
      .call('outbox_lag', [], 'looking how far behind the outbox is', timeoutMs)
      .then((said) => this.#tell(Number(said)))
      .catch(() => this.#tell(undefined));
  }

  ended(): void {
    this.#nextMs = Number.POSITIVE_INFINITY;
    this.#emitter.emit('ended', () => ({ relay: this.#relay }));
  }

  #tell(lagMs: number | undefined): void {
    if (this.#nextMs === Number.POSITIVE_INFINITY) return;
    this.#nextMs = this.#ports.now().monotonicMs + limits.outboxLagEveryMs;
    this.#emitter.emit('lag', () => ({ relay: this.#relay, lagMs }));
  }
}
