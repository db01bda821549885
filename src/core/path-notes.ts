import { DeadlockError } from './errors.js';
import type { Emitter } from './events.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import { type Path, Paths, type Suspicion } from './path.js';

/** One request of which the async context is known: `done` is called when it holds and waits no more. */
export interface PathNote {
  readonly path: Path;
  readonly done: () => void;
}

const nothing = () => undefined;

/** Looks for deadlocks in the making, and says so. */
export class PathNotes {
  readonly #paths = new Paths();
  readonly #emitter: Emitter;
  readonly #clientId: string;

  constructor(emitter: Emitter, clientId: string) {
    this.#emitter = emitter;
    this.#clientId = clientId;
  }

  /** Whether a callback of this instance is running in this async context. */
  get inside(): boolean {
    return this.#paths.current() !== undefined;
  }

  /** @throws DeadlockError if the context holds the name already and that is to be refused */
  enter(name: LockName, settings: Settings, refuseReentry: boolean): PathNote {
    const stack = this.#emitter.wanted('deadlock-suspected') ? (new Error(`request of "${name.text}"`).stack ?? '') : '';
    const parent = this.#paths.parent();
    const path: Path = { name, mode: settings.mode, instance: this.#paths, stack, parent, holds: false, running: false };
    if (parent === undefined || !this.inside) return { path, done: nothing };
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

  #suspect({ name, mode, stack }: Path, { ttlMs }: Settings, suspicion: Suspicion): void {
    const event = { ...suspicion, name: name.text, mode, node: this.#clientId, ttlMs, stack };
    this.#emitter.emit('deadlock-suspected', () => event);
  }
}
