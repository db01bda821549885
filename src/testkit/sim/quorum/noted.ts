import type { Ask, Backend, Grant, Held, LockRecord, Refusal, Revocation, Revoker, Stop, Traits } from '../../../core/backend.js';
import type { LockName } from '../../../core/name.js';
import type { Recorder } from '../../check/history.js';
import { type About, answerOf } from '../backend.js';
import type { Ledger } from './ledger.js';

/** A store whose calls are written down at the process's own door: what it asked, and what it was told. */
export class Noted implements Backend {
  readonly name: string;
  readonly traits: Traits;
  readonly #backend: Backend;
  readonly #process: string;
  readonly #recorder: Recorder;
  readonly #ledger: Ledger;
  /** By owner, the last call that asked for it: answers to earlier ones are not listened to any more. */
  readonly #asking = new Map<string, object>();

  constructor(backend: Backend, process: string, recorder: Recorder, ledger: Ledger) {
    this.name = backend.name;
    this.traits = backend.traits;
    this.#backend = backend;
    this.#process = process;
    this.#recorder = recorder;
    this.#ledger = ledger;
  }

  acquire(ask: Ask) {
    const told = this.#listen(ask);
    return this.#call([about('acquire', ask)], this.#backend.acquire(ask), (answer) => {
      told(answer);
      return [answerOf(answer)];
    });
  }

  renew(holds: readonly Held[]) {
    const calls = holds.map((held) => about('renew', held));
    return this.#call(calls, this.#backend.renew(holds), (answers) => answers.map(({ outcome }) => ({ outcome })));
  }

  release(held: Held) {
    return this.#call([about('release', held)], this.#backend.release(held), (outcome) => [{ outcome }]);
  }

  abandon(ask: Ask) {
    this.#asking.delete(ask.owner);
    return this.#call([about('abandon', ask)], this.#backend.abandon(ask), () => [{ outcome: 'done' }]);
  }

  watch(name: LockName, wake: () => void): Stop {
    return this.#backend.watch(name, wake);
  }

  read(name: LockName): Promise<readonly LockRecord[]> {
    return this.#backend.read(name);
  }

  list(prefix: string): AsyncIterable<LockRecord> {
    return this.#backend.list(prefix);
  }

  revoke(name: LockName, by: Revoker) {
    const call = about(by.kind === 'stolen' ? 'steal' : 'revoke', { name, owner: by.heir?.owner ?? '' });
    const told = by.heir === undefined ? () => {} : this.#listen(by.heir);
    return this.#call([call], this.#backend.revoke(name, by), ({ grant }: Revocation) => {
      told(grant);
      return [grant === undefined ? { outcome: 'done' } : answerOf(grant)];
    });
  }

  probe() {
    return this.#backend.probe();
  }

  close() {
    return this.#backend.close();
  }

  #listen(ask: Ask): (answer: Grant | Refusal | undefined) => void {
    const call = {};
    this.#asking.set(ask.owner, call);
    return (answer) => {
      const isAwaited = this.#asking.get(ask.owner) === call;
      if (answer?.outcome === 'granted' && isAwaited) this.#ledger.told(ask, answer, this.#process);
    };
  }

  async #call<T>(
    calls: readonly About[],
    answer: Promise<T>,
    outcomes: (value: T) => readonly { readonly outcome: string }[],
  ): Promise<T> {
    const process = this.#process;
    const recorder = this.#recorder;
    const sentMs = recorder.nowMs();
    for (const call of calls) recorder.add({ type: 'sent', process, ...call });
    const value = await answer;
    const found = outcomes(value);
    for (const [i, call] of calls.entries()) {
      const outcome = found[i] ?? { outcome: 'none' };
      recorder.add({ type: 'answered', process, ...call, ...outcome, tookMs: recorder.nowMs() - sentMs });
    }
    return value;
  }
}

function about(call: string, { name, owner }: Pick<Ask, 'name' | 'owner'>): About {
  return { call, name: name.text, owner };
}
