import type { LockRecord, Revocation, Revoker } from '../../core/backend.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { type Applicant, expectHold, granted, grantAgain, grantFirst, isComparable } from './granting.js';
import type { Operation } from './operation.js';
import { holdNode, idOf, revokedNode, type View } from './paths.js';
import type { Store } from './store.js';
import { dataOf, reasonData } from './values.js';

const triesMax = 64;

/** Ends every hold that was seen, and nothing else: compared in the same step, and seen anew if anything was granted since. */
export async function revoke(store: Store, name: LockName, by: Revoker): Promise<Revocation> {
  const { heir } = by;
  const operation =
    heir === undefined ? store.question(`revoking "${name.text}"`) : store.operation(heir.ttlMs, `stealing "${name.text}"`);
  const parent = store.paths.of(name);
  const applicant = heir === undefined ? undefined : { ask: heir, id: idOf(heir.owner), parent, operation };
  for (let tries = 0; tries < triesMax; tries++) {
    const view = await store.look(operation, parent);
    const answer =
      view === undefined ? await ofNobody(store, applicant) : await ofThese(store, operation, parent, view, by, applicant);
    if (answer !== undefined) return answer;
  }
  const message = `"${name.text}" changed hands faster than it could be revoked: try again`;
  throw operation.hasWritten ? new OutcomeUnknownError(message) : new BackendUnavailableError(message);
}

async function ofNobody(store: Store, heir: Applicant | undefined): Promise<Revocation | undefined> {
  if (heir === undefined) return { ended: [] };
  const grant = await grantFirst(store, heir);
  return grant === undefined ? undefined : { ended: [], grant };
}

async function ofThese(
  store: Store,
  operation: Operation,
  parent: string,
  view: View,
  by: Revoker,
  heir: Applicant | undefined,
): Promise<Revocation | undefined> {
  if (heir !== undefined && view.holders.some(({ id }) => id === heir.id)) {
    const grant = await grantAgain(store, heir);
    return grant === undefined ? undefined : { ended: [], grant };
  }
  if (heir !== undefined && (view.abandoned.has(heir.id) || view.revoked.has(heir.id))) return { ended: [] };
  if (heir === undefined && view.holders.length === 0) return { ended: [] };
  if (!(await isComparable(store, { parent, operation }, view))) return undefined;
  const ended = await store.records(operation, parent, view.holders, true);
  if (ended.length < view.holders.length) return undefined;
  return replace(store, operation, parent, view, by, heir, ended);
}

async function replace(
  store: Store,
  operation: Operation,
  parent: string,
  view: View,
  by: Revoker,
  heir: Applicant | undefined,
  ended: readonly LockRecord[],
): Promise<Revocation | undefined> {
  const life = view.lives[0];
  const unknown = view.holders.filter(({ id }) => !view.revoked.has(id));
  const mine = view.places.filter(({ id }) => id === heir?.id);
  let written = 0;
  const unexpect = heir === undefined ? () => {} : expectHold(store, heir);
  const answer = await operation.commit((steps) => {
    for (const { id } of unknown) steps.create(`${parent}/${revokedNode(id)}`, 'persistent', reasonData(by));
    if (heir !== undefined) steps.create(`${parent}/${holdNode(heir.ask.mode, heir.id)}`, 'ephemeral', dataOf(heir.ask));
    steps.exists(`${parent}/${life}`);
    written = steps.count;
    // The version before the removals: whoever sees it has seen the heir, and no name that looks free.
    steps.write(parent, view.version);
    for (const { node } of [...view.holders, ...mine]) steps.remove(`${parent}/${node}`);
  });
  if (!answer.done) {
    unexpect();
    return undefined;
  }
  for (const { id } of unknown)
    store.keeping.add(operation.session, parent, revokedNode(id), limits.tombstoneMs, { lasting: true });
  for (const { node } of [...view.holders, ...mine]) store.keeping.forget(`${parent}/${node}`);
  store.used(parent);
  if (heir === undefined) return { ended };
  return { ended, grant: granted(store, heir, answer, written, false) };
}
