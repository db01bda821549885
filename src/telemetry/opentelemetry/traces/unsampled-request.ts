import type { Context } from '@opentelemetry/api';
import type { RequestTrace, TracedTurn } from '../../../core/tracer.js';
import { LazyContext } from './lazy-context.js';
import type { Begun, Making } from './making.js';

/**
 * A request whose first span nobody records: it has no others, and nobody is given a link to it, who could not follow it. That it is not
 * recorded, and the lease, go along with what its callback sends.
 */
export class UnsampledRequest implements RequestTrace {
  readonly #making: Making;
  readonly #begun: Begun;
  #context: Context | undefined;

  constructor(making: Making, begun: Begun) {
    this.#making = making;
    this.#begun = begun;
  }

  granted({ fence, leaseGeneration }: TracedTurn): void {
    const { lockId } = this.#begun;
    this.#context = new LazyContext(() => this.#making.carrying(this.#begun.inner, lockId, leaseGeneration, fence));
  }

  handedOut(lease: object): void {
    this.#making.handOut(lease, this.#inside);
  }

  run<T>(lease: object | null, work: () => T): T {
    return this.#making.run(lease, this.#inside, work);
  }

  get #inside(): Context {
    return this.#context ?? this.#begun.inner;
  }

  failed(): void {
    this.#begun.whole.end();
  }

  over(): void {
    this.#begun.whole.end();
  }

  notAvailable(): void {}
  renewalFailed(): void {}
  lost(): void {}
  ended(): void {}
  releasing(): void {}
}
