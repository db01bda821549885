import { long } from './client.js';
import type { Operation } from './operation.js';
import type { Store } from './store.js';
import { dataAgain, type Known, knownOf } from './values.js';

/**
 * Proves one hold with a fresh TTL. Undefined if it has gone.
 *
 * A hold of another session would end with that one, whatever is proven in this: an earlier session of the same process may
 * be alive on the servers, although no server could be reached for so long that it was given up here. Such a node is made anew in this
 * session, in one step, with the same fences. The name's version is raised with it, since the node is gone for those who wait for
 * its end.
 */
export async function prove(
  store: Store,
  operation: Operation,
  parent: string,
  node: string,
  ttlMs: number,
): Promise<Known | undefined> {
  const kept = store.keeping.get(`${parent}/${node}`);
  if (kept !== undefined) kept.busy += 1;
  try {
    return await proveNow(store, operation, parent, node, ttlMs);
  } finally {
    if (kept !== undefined) kept.busy -= 1;
  }
}

async function proveNow(
  store: Store,
  operation: Operation,
  parent: string,
  node: string,
  ttlMs: number,
): Promise<Known | undefined> {
  const { session } = operation;
  const path = `${parent}/${node}`;
  const found = await operation.read(path);
  if (found === undefined) return undefined;
  const known = knownOf(found.data, found.stat, path);
  const { generation } = session;
  const isOurs = long(found.stat.ephemeralOwner) === session.id;
  // Written, because a read alone may be answered by a server that has been left behind.
  const proof = await operation.commit((steps) => {
    if (isOurs) steps.exists(path);
    else steps.remove(path).create(path, 'ephemeral', dataAgain(known)).touch(path, dataAgain(known)).touch(parent);
  });
  if (!proof.done || generation !== session.generation) return undefined;
  const kept = store.keeping.get(path);
  if (isOurs && kept !== undefined && kept.session === session) store.keeping.renew(kept, ttlMs);
  // By its version it is told from the node that it took the place of, by whoever made that one.
  else store.keeping.add(session, parent, node, ttlMs, { version: isOurs ? found.stat.version : 1 });
  return known;
}
