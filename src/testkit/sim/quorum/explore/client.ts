import type { Ask, Backend, Grant, Refusal } from '../../../../core/backend.js';
import { type Deadline, type Ports, remainingMs } from '../../../../core/clock.js';
import { deadlineFor } from '../../../../core/hold.js';
import { parseName } from '../../../../core/name.js';

/** What all clients of a model share: it is told of every grant as it is believed in. */
export interface Witness {
  granted(client: Client, fence: bigint): void;
}

/** Asks for one name, holds it until it is told to finish or its deadline has passed, and asks again if it was refused. */
export class Client {
  readonly name: string;
  state: 'asking' | 'refused' | 'holding' | 'releasing' | 'done' = 'refused';
  asks = 0;
  readonly #backend: Backend;
  readonly #ports: Ports;
  readonly #ask: Ask;
  readonly #witness: Witness;
  #deadline: Deadline | undefined;

  constructor(name: string, backend: Backend, ports: Ports, ttlMs: number, witness: Witness) {
    this.name = name;
    this.#backend = backend;
    this.#ports = ports;
    this.#witness = witness;
    const lock = { name: parseName('a'), owner: name, mode: 'exclusive', ttlMs, fences: 1, enqueue: false } as const;
    this.#ask = { ...lock, node: ports.identity(), metadata: {} };
  }

  /** Whether it believes that the lock is its own. */
  get holds(): boolean {
    return this.state === 'holding' && this.#deadline !== undefined && remainingMs(this.#deadline, this.#ports.now()) > 0;
  }

  ask(): void {
    this.state = 'asking';
    this.asks += 1;
    const sentAt = this.#ports.now();
    const answered = (answer: Grant | Refusal) => {
      if (answer.outcome === 'refused') {
        this.state = 'refused';
        return;
      }
      this.#deadline = deadlineFor(sentAt, answer.ttlMs);
      this.state = 'holding';
      if (this.holds) this.#witness.granted(this, answer.fences.first);
      else this.state = 'done';
    };
    this.#backend.acquire(this.#ask).then(answered, () => {
      this.state = 'refused';
    });
  }

  finish(): void {
    this.state = 'releasing';
    const done = () => {
      this.state = 'done';
    };
    this.#backend.release(this.#ask).then(done, done);
  }

  /** Time has passed. */
  tick(): void {
    if (this.state === 'holding' && !this.holds) this.state = 'done';
  }
}
