import type { LockRecord } from './backend.js';
import { Caller, type CallerActions } from './caller.js';
import type { HoldfastError } from './errors.js';
import { limits } from './limits.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import { NameQueue, type QueueContext } from './queue.js';
import type { CallerTrace } from './tracing.js';

/** One queue per name for which something waits, asks or is held in this process, and for some that were used before. */
export class Queues {
  readonly #context: QueueContext;
  readonly #all = new Map<string, NameQueue>();

  constructor(context: Omit<QueueContext, 'onIdle'>) {
    const onIdle = (queue: NameQueue) => {
      // Names are used again, most of them: making and dropping a queue each time costs more than a few idle ones.
      if (this.#all.size <= limits.idleQueuesMax) return;
      if (this.#all.get(queue.name.encoded) === queue) this.#all.delete(queue.name.encoded);
    };
    this.#context = { ...context, onIdle };
  }

  enter(name: LockName, settings: Settings, actions: CallerActions, trace?: CallerTrace): void {
    let queue = this.#all.get(name.encoded);
    if (queue === undefined) {
      queue = new NameQueue(name, this.#context);
      this.#all.set(name.encoded, queue);
    }
    const { emitter } = queue;
    if (emitter.wanted('requested')) emitter.emit('requested', () => (queue as NameQueue).event(settings));
    queue.enter(new Caller(settings, this.#context.store.ports.now(), actions, trace));
  }

  /** Those of names that start with the prefix. */
  below(prefix: string): NameQueue[] {
    return [...this.#all.values()].filter((queue) => queue.name.text.startsWith(prefix));
  }

  revoked(name: LockName, ended: readonly LockRecord[], reason: string): void {
    this.#all.get(name.encoded)?.servings.revoked(new Set(ended.map((record) => record.ownerDigest)), reason);
  }

  /** Nobody waits any more. Turns that have begun go on. */
  rejectWaiting(error: (lock: string) => HoldfastError): void {
    for (const queue of [...this.#all.values()]) queue.rejectWaiting(() => error(queue.name.text));
  }

  /** Resolves when nobody waits, asks or holds anywhere. */
  async allIdle(): Promise<void> {
    await Promise.all([...this.#all.values()].map((queue) => queue.whenIdle()));
  }
}
