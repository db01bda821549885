import type { Ask, Held, Release, Renewal, RevokedBy } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import { codes } from './client.js';
import type { Operation } from './operation.js';
import { abandonedNode, holdNode, idOf, revokedNode } from './paths.js';
import type { Store } from './store.js';
import { reasonOf } from './values.js';

/** The owner is in the name of the node: nobody else's can be removed. */
export async function release(store: Store, held: Held): Promise<Release> {
  const operation = store.operation(held.ttlMs, `releasing "${held.name.text}"`);
  const parent = store.paths.of(held.name);
  const path = `${parent}/${holdNode(held.mode, idOf(held.owner))}`;
  const kept = store.keeping.get(path);
  if (kept?.alone === true && !store.isInUse(parent)) {
    const answer = await operation.commit((steps) => steps.remove(path).remove(parent));
    if (answer.done) {
      store.keeping.forget(path);
      store.unused(parent);
      return 'released';
    }
  }
  if (await operation.remove(path)) {
    store.keeping.forget(path);
    store.tidying.soon(parent);
    return 'released';
  }
  store.keeping.forget(path);
  return (await endingOf(store, operation, held)).outcome === 'gone' ? 'absent' : 'not-owner';
}

/** What became of a hold that is not there: who has the name now, and who ended it, where that was said. */
export async function endingOf(
  store: Store,
  operation: Operation,
  held: Held,
): Promise<Renewal & { outcome: 'gone' | 'not-yours' }> {
  const parent = store.paths.of(held.name);
  const id = idOf(held.owner);
  const view = await store.look(operation, parent);
  if (view === undefined) return { outcome: 'gone' };
  const outcome = view.holders.some((holder) => holder.id !== id) ? 'not-yours' : 'gone';
  if (!view.revoked.has(id)) return { outcome };
  // Whoever revoked it may have left by then.
  store.keeping.add(operation.session, parent, revokedNode(id), limits.tombstoneMs, { lasting: true });
  const by: RevokedBy | undefined = reasonOf((await operation.read(`${parent}/${revokedNode(id)}`))?.data ?? Buffer.alloc(0));
  return { outcome, ...(by === undefined ? {} : { by }) };
}

/**
 * What keeps a late ask out is a node of the session through which it would come: no server does anything any more for a
 * session that is over.
 */
export async function abandon(store: Store, ask: Ask): Promise<void> {
  const operation = store.operation(ask.ttlMs, `withdrawing from "${ask.name.text}"`);
  const parent = store.paths.of(ask.name);
  const id = idOf(ask.owner);
  const tomb = abandonedNode(id);
  store.wakes.forget(parent, id);
  let isBuried = false;
  while (!isBuried) isBuried = await bury(store, operation, parent, tomb);
  // From here on nothing of this owner can come; what has come before is taken away.
  const view = await store.look(operation, parent);
  if (view === undefined) return;
  const left = [...view.holders, ...view.places].filter((child) => child.id === id);
  for (const { node } of left) {
    await operation.remove(`${parent}/${node}`);
    store.keeping.forget(`${parent}/${node}`);
  }
}

/** False if the name has come or gone meanwhile. */
async function bury(store: Store, operation: Operation, parent: string, tomb: string): Promise<boolean> {
  // Noted before it is made, as its reply may be lost.
  store.keeping.add(operation.session, parent, tomb, limits.tombstoneMs);
  // Every grant since it was looked at compares the version that is raised here.
  const beside = await operation.commit((steps) => steps.create(`${parent}/${tomb}`, 'ephemeral').touch(parent));
  if (!beside.done && beside.code !== codes.nodeExists) {
    const alone = await operation.commit((steps) =>
      steps.create(parent, 'persistent').create(`${parent}/${tomb}`, 'ephemeral').touch(parent),
    );
    if (!alone.done) {
      if (alone.code === codes.noNode) await operation.makePath(store.paths.locks);
      return false;
    }
  }
  return true;
}
