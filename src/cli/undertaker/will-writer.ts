import process from 'node:process';
import type { Traits } from '../../core/backend.js';
import type { Ports } from '../../core/clock.js';
import type { HeldLease } from '../../core/lease.js';
import type { HeirLease, Will } from './will.js';

/**
 * Core keeps the owner of a hold to itself. It takes it from a port, though, and this process asks for one lease only: an
 * ask that was given up is followed by one with a new owner, so the last that was made is that of the grant.
 */
export class WillWriter {
  readonly #backendUrl: string;
  readonly #traits: Traits;
  #owner: string | undefined;

  constructor(backendUrl: string, traits: Traits) {
    this.#backendUrl = backendUrl;
    this.#traits = traits;
  }

  noting(ports: Ports): Ports {
    const randomOwner = () => {
      this.#owner = ports.randomOwner();
      return this.#owner;
    };
    return { ...ports, randomOwner };
  }

  /** @param runId what the command and all that it starts have in their environment, and nobody else */
  willOf(lease: HeldLease, runId: string): Will {
    return { holderPid: process.pid, runId, ttlMs: lease.ttlMs, lease: this.#leaseOf(lease) };
  }

  #leaseOf({ name, mode }: HeldLease): HeirLease | undefined {
    if (this.#traits.seesDeadHolders || this.#owner === undefined) return undefined;
    return { backendUrl: this.#backendUrl, name, owner: this.#owner, mode };
  }
}
