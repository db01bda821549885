import type {
  Ask,
  Backend,
  Grant,
  Held,
  LockRecord,
  Refusal,
  Release,
  Renewal,
  Revocation,
  Revoker,
  Stop,
  Traits,
} from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import type { Recorder } from '../check/history.js';
import type { Network } from './network.js';
import type { SimProcess } from './process.js';
import type { Scenario } from './scenario.js';
import type { SimServer } from './server.js';

interface World {
  readonly network: Network;
  readonly server: SimServer;
  readonly recorder: Recorder;
}

/** A call, as a history names it. */
export interface About {
  readonly call: string;
  readonly name: string;
  readonly owner: string;
}

/** The client side of the simulated store: sends, waits, and has no timeouts of its own. */
export class SimBackend implements Backend {
  readonly name = 'sim';
  readonly traits: Traits;
  readonly #process: SimProcess;
  readonly #world: World;

  constructor(process: SimProcess, world: World, store: Scenario['store']) {
    this.#process = process;
    this.#world = world;
    this.traits = {
      shared: true,
      queue: store.queue,
      push: store.push,
      seesDeadHolders: false,
      pollMs: store.pollMs,
      ttlMs: { min: limits.ttlMsMin, max: limits.ttlMsMax },
      fencesPerGrant: store.fencesPerGrant,
      fenceSource: 'a counter, not below the clock of the simulated store',
      guarantee: 'whatever the scenario says',
    };
  }

  acquire(ask: Ask): Promise<Grant | Refusal> {
    const about = { call: 'acquire', name: ask.name.text, owner: ask.owner };
    return this.#call(
      [about],
      () => this.#world.server.acquire(ask, this.#process),
      (answer) => [answerOf(answer)],
    );
  }

  renew(holds: readonly Held[]): Promise<readonly Renewal[]> {
    const about = holds.map((held) => ({ call: 'renew', name: held.name.text, owner: held.owner }));
    return this.#call(
      about,
      () => this.#world.server.renew(holds),
      (answers) => answers.map(({ outcome }) => ({ outcome })),
    );
  }

  release(held: Held): Promise<Release> {
    const about = { call: 'release', name: held.name.text, owner: held.owner };
    return this.#call(
      [about],
      () => this.#world.server.release(held),
      (outcome) => [{ outcome }],
    );
  }

  abandon(ask: Ask): Promise<void> {
    const about = { call: 'abandon', name: ask.name.text, owner: ask.owner };
    return this.#call(
      [about],
      () => this.#world.server.abandon(ask),
      () => [{ outcome: 'done' }],
    );
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.traits.push ? this.#world.network.watch(name.encoded, this.#process, wake) : () => {};
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return this.#call(
      [],
      () => this.#world.server.read(name),
      () => [],
    );
  }

  async *list(prefix: string): AsyncIterable<LockRecord> {
    yield* await this.#call(
      [],
      () => this.#world.server.list(prefix),
      () => [],
    );
  }

  revoke(name: LockName, by: Revoker): Promise<Revocation> {
    const about = { call: by.kind === 'stolen' ? 'steal' : 'revoke', name: name.text, owner: by.heir?.owner ?? '' };
    const outcome = (it: Revocation) => [it.grant === undefined ? { outcome: 'done' } : answerOf(it.grant)];
    return this.#call([about], () => this.#world.server.revoke(name, by, this.#process), outcome);
  }

  async probe() {
    return [];
  }

  async close(): Promise<void> {}

  #call<T>(about: readonly About[], execute: () => T, outcomes: (value: T) => readonly { outcome: string }[]): Promise<T> {
    const { network, recorder } = this.#world;
    const process = this.#process.name;
    const sentMs = recorder.nowMs();
    for (const it of about) recorder.add({ type: 'sent', process, ...it });
    return new Promise((resolve, reject) => {
      const answered = (value: T) => {
        outcomes(value).forEach((outcome, i) => {
          const it = about[i];
          if (it !== undefined) recorder.add({ type: 'answered', process, ...it, ...outcome, tookMs: recorder.nowMs() - sentMs });
        });
        resolve(value);
      };
      network.call(this.#process, execute, answered, reject);
    });
  }
}

/** What a grant or a refusal is called in a history. */
export function answerOf(answer: Grant | Refusal): { outcome: string; first?: bigint; last?: bigint } {
  return answer.outcome === 'granted' ? { outcome: 'granted', ...answer.fences } : { outcome: answer.because };
}
