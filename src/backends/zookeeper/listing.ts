import type { LockRecord } from '../../core/backend.js';
import { Paths } from './paths.js';
import type { Store } from './store.js';

/** Names that are read at the same time. */
const namesAtOnce = 50;

/** Everybody below a prefix, name by name, each as of one moment: holders by their fence, waiters as they stand in line. */
export async function* records(store: Store, prefix: string): AsyncGenerator<LockRecord> {
  const all = await store.question('listing').children(store.paths.locks);
  const wanted = (all?.children ?? []).filter((segment) => Paths.nameOf(segment).startsWith(prefix));
  for (let i = 0; i < wanted.length; i += namesAtOnce) {
    const portion = wanted.slice(i, i + namesAtOnce);
    for (const found of await Promise.all(portion.map((segment) => recordsOf(store, `${store.paths.locks}/${segment}`))))
      yield* found;
  }
}

/** Everybody at one name: of those who stood there at one moment, whoever is still there when it is read. */
export async function recordsOf(store: Store, parent: string): Promise<readonly LockRecord[]> {
  const operation = store.question('reading a name');
  const view = await store.look(operation, parent);
  if (view === undefined) return [];
  if (view.holders.length + view.places.length === 0) store.tidying.soon(parent);
  const [held, waiting] = await Promise.all([
    store.records(operation, parent, view.holders, true),
    store.records(operation, parent, view.places, false),
  ]);
  return [...[...held].sort((a, b) => ((a.fence ?? 0n) < (b.fence ?? 0n) ? -1 : 1)), ...waiting];
}
