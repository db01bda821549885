import type { LockRecord, Revocation, Revoker } from '../../core/backend.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { type Applicant, expectHold, granted, grantAgain, grantFirst, isComparable } from './granting.js';
import type { Operation } from './operation.js';
import { type Child, holdNode, idOf, revokedNode, type View } from './paths.js';
import type { Store } from './store.js';
import { dataOf, reasonData } from './values.js';

const triesMax = 64;

/** Ends every hold that was seen, and nothing else: compared in the same step, and seen anew if anything was granted since. */
export function revoke(store: Store, name: LockName, by: Revoker): Promise<Revocation> {
  return new Revoking(store, name, by).run();
}

class Revoking {
  readonly #store: Store;
  readonly #name: LockName;
  readonly #by: Revoker;
  readonly #parent: string;
  readonly #operation: Operation;
  readonly #heir: Applicant | undefined;
  /** By a transaction whose reply was lost. */
  readonly #ended: LockRecord[] = [];
  /** Whom the last transaction was to end. */
  #attempted: readonly (readonly [Child, LockRecord])[] = [];

  constructor(store: Store, name: LockName, by: Revoker) {
    const { heir } = by;
    this.#store = store;
    this.#name = name;
    this.#by = by;
    this.#parent = store.paths.of(name);
    this.#operation =
      heir === undefined ? store.question(`revoking "${name.text}"`) : store.operation(heir.ttlMs, `stealing "${name.text}"`);
    this.#heir =
      heir === undefined ? undefined : { ask: heir, id: idOf(heir.owner), parent: this.#parent, operation: this.#operation };
  }

  async run(): Promise<Revocation> {
    for (let tries = 0; tries < triesMax; tries++) {
      const view = await this.#store.look(this.#operation, this.#parent);
      const answer = await this.#try(view).catch((error: unknown) => {
        // What became of it can be seen, as long as there is time for a look.
        if (error instanceof OutcomeUnknownError && this.#operation.leftMs > 0) return undefined;
        throw error;
      });
      if (answer !== undefined) return answer;
    }
    const message = `"${this.#name.text}" changed hands faster than it could be revoked: try again`;
    throw this.#operation.hasWritten ? new OutcomeUnknownError(message) : new BackendUnavailableError(message);
  }

  /** Undefined if it must be looked again. */
  async #try(view: View | undefined): Promise<Revocation | undefined> {
    const heir = this.#heir;
    if (view === undefined) return this.#ofNobody();
    this.#settle(view);
    if (heir !== undefined && view.holders.some(({ id }) => id === heir.id)) {
      const grant = await grantAgain(this.#store, heir);
      return grant === undefined ? undefined : { ended: this.#ended, grant };
    }
    if (heir !== undefined && (view.abandoned.has(heir.id) || view.revoked.has(heir.id))) return { ended: this.#ended };
    if (heir === undefined && view.holders.length === 0) return { ended: this.#ended };
    if (!(await isComparable(this.#store, { parent: this.#parent, operation: this.#operation }, view))) return undefined;
    const ended = await this.#store.records(this.#operation, this.#parent, view.holders, true);
    if (ended.length < view.holders.length) return undefined;
    const { ifFence } = this.#by;
    const isThere = ifFence === undefined || ended.some(({ fence }) => fence === ifFence);
    return isThere ? this.#replace(view, ended) : { ended: this.#ended };
  }

  async #ofNobody(): Promise<Revocation | undefined> {
    if (this.#heir === undefined) return { ended: this.#ended };
    const grant = await grantFirst(this.#store, this.#heir);
    return grant === undefined ? undefined : { ended: this.#ended, grant };
  }

  async #replace(view: View, ended: readonly LockRecord[]): Promise<Revocation | undefined> {
    const [store, operation, parent, heir] = [this.#store, this.#operation, this.#parent, this.#heir];
    const life = view.lives[0];
    const unknown = view.holders.filter(({ id }) => !view.revoked.has(id));
    const mine = view.places.filter(({ id }) => id === heir?.id);
    let written = 0;
    const unexpect = heir === undefined ? () => {} : expectHold(store, heir);
    this.#attempted = view.holders.flatMap((child, i) => (ended[i] === undefined ? [] : [[child, ended[i]] as const]));
    const answer = await operation.commit((steps) => {
      for (const { id } of unknown) steps.create(`${parent}/${revokedNode(id)}`, 'persistent', reasonData(this.#by));
      if (heir !== undefined) steps.create(`${parent}/${holdNode(heir.ask.mode, heir.id)}`, 'ephemeral', dataOf(heir.ask));
      steps.exists(`${parent}/${life}`);
      written = steps.count;
      // The version before the removals: whoever sees it has seen the heir, and no name that looks free.
      steps.write(parent, view.version);
      for (const { node } of [...view.holders, ...mine]) steps.remove(`${parent}/${node}`);
    });
    if (!answer.done) {
      this.#attempted = [];
      unexpect();
      return undefined;
    }
    this.#over(view.holders);
    for (const { node } of mine) store.keeping.forget(`${parent}/${node}`);
    store.used(parent);
    const all = [...this.#ended, ...ended];
    if (heir === undefined) return { ended: all };
    return { ended: all, grant: granted(store, heir, answer, written, false) };
  }

  /** A transaction whose reply was lost may have been done: then those whom it was to end are gone, and marked. */
  #settle(view: View): void {
    const done = this.#attempted.filter(
      ([{ node, id }]) => view.revoked.has(id) && view.holders.every((one) => one.node !== node),
    );
    this.#attempted = [];
    this.#ended.push(...done.map(([, record]) => record));
    this.#over(done.map(([child]) => child));
  }

  /** What says that they were revoked stays for a while, and not for ever. */
  #over(holders: readonly Child[]): void {
    const { keeping } = this.#store;
    for (const { node, id } of holders) {
      keeping.add(this.#operation.session, this.#parent, revokedNode(id), limits.tombstoneMs, { lasting: true });
      keeping.forget(`${this.#parent}/${node}`);
    }
  }
}
