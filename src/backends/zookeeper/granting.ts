import type { Ask, Grant } from '../../core/backend.js';
import { BackendCorruptError } from '../../core/errors.js';
import { codes, long, type OpResult, type Stat } from './client.js';
import type { Committed, Operation } from './operation.js';
import { holdNode, type View } from './paths.js';
import { prove } from './proving.js';
import { promisedMs } from './sessions.js';
import type { Store } from './store.js';
import { dataOf, fencesOf } from './values.js';

/** An ask, and where it belongs. */
export interface Applicant {
  readonly ask: Ask;
  readonly id: string;
  readonly parent: string;
  readonly operation: Operation;
}

/**
 * A name that nobody uses: its node and the hold in one step. Undefined if the name is in use.
 *
 * What is written to the parent last tells the number of the transaction, and is its first version that can be compared.
 */
export async function grantFirst(store: Store, applicant: Applicant): Promise<Grant | undefined> {
  const { ask, id, parent, operation } = applicant;
  const hold = holdNode(ask.mode, id);
  for (let tries = 1; ; tries++) {
    const unexpect = expectHold(store, applicant);
    const answer = await operation.commit((steps) =>
      steps.create(parent, 'persistent').create(`${parent}/${hold}`, 'ephemeral', dataOf(ask)).touch(parent),
    );
    if (answer.done) return granted(store, applicant, answer, 2, true);
    unexpect();
    if (answer.code !== codes.noNode || tries === 3) return undefined;
    await operation.makePath(store.paths.locks);
  }
}

/**
 * A name that is free as far as this view goes. Undefined if anything was granted since.
 *
 * The order matters: members of an ensemble show a transaction's steps one by one. Whoever sees the new version sees the new
 * hold, too.
 */
export async function grantNext(store: Store, applicant: Applicant, view: View): Promise<Grant | undefined> {
  const { ask, id, parent, operation } = applicant;
  const [life] = view.lives;
  const mine = view.places.filter((place) => place.id === id);
  const alone = view.holders.length === 0 && view.places.length === mine.length;
  const unexpect = expectHold(store, applicant);
  const answer = await operation.commit((steps) => {
    steps
      .create(`${parent}/${holdNode(ask.mode, id)}`, 'ephemeral', dataOf(ask))
      .exists(`${parent}/${life}`)
      .write(parent, view.version);
    for (const { node } of mine) steps.remove(`${parent}/${node}`);
  });
  if (!answer.done) {
    unexpect();
    return undefined;
  }
  for (const { node } of mine) store.keeping.forget(`${parent}/${node}`);
  return granted(store, applicant, answer, 2, alone);
}

/** Its reply may be lost, and so may every withdrawal: it ends in time even so. */
export function expectHold(store: Store, { ask, id, parent, operation }: Applicant): () => void {
  return store.keeping.expect(operation.session, parent, holdNode(ask.mode, id), ask.ttlMs + Math.max(0, operation.leftMs));
}

/**
 * Whether a grant can be made upon this view; if not, it can upon the next one. Version 0 cannot be compared (the library
 * takes it for any), nor can −1 (which means any). The node that tells this life of the name from others is made by whoever
 * first needs it: most names have one user in their life.
 */
export async function isComparable(
  store: Store,
  { parent, operation }: Pick<Applicant, 'parent' | 'operation'>,
  view: View,
): Promise<boolean> {
  const { version, lives } = view;
  if (lives.length > 0 && version !== 0 && version !== -1) return true;
  await operation.commit((steps) => {
    if (lives.length === 0) steps.create(`${parent}/${store.newLife()}`, 'persistent');
    steps.touch(parent);
  });
  return false;
}

export function granted(
  store: Store,
  { ask, id, parent, operation }: Applicant,
  { results }: Committed,
  index: number,
  alone: boolean,
): Grant {
  const stat = statOf(results, index);
  const { session } = operation;
  store.clock.seen(stat);
  store.keeping.add(session, parent, holdNode(ask.mode, id), ask.ttlMs, { alone });
  return {
    outcome: 'granted',
    fences: fencesOf(long(stat.mzxid), ask.fences),
    ttlMs: promisedMs(ask.ttlMs, session.timeoutMs),
  };
}

/** Told again, with a fresh TTL. Undefined if it has gone meanwhile. */
export async function grantAgain(store: Store, { ask, id, parent, operation }: Applicant): Promise<Grant | undefined> {
  const known = await prove(store, operation, parent, holdNode(ask.mode, id), ask.ttlMs);
  if (known === undefined) return undefined;
  return {
    outcome: 'granted',
    fences: fencesOf(known.zxid, known.fences),
    ttlMs: promisedMs(ask.ttlMs, operation.session.timeoutMs),
  };
}

function statOf(results: readonly OpResult[], index: number): Stat {
  const stat = results[index]?.stat;
  if (stat === undefined) throw new BackendCorruptError('the server did not tell what it wrote: use ZooKeeper 3.5 or later');
  return stat;
}
