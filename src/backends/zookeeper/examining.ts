import type { Ports } from '../../core/clock.js';
import type { Examination, ForeignLock, NamePause, Rival } from '../../core/examination.js';
import { nothingInTheWay, otherLetters, rivalOf, seenTwice, waiterText } from '../../core/examining.js';
import type { LockName } from '../../core/name.js';
import { codeOf, codes } from './client.js';
import { firstInLine, foreignLock, looksOf, looksOfHold, recipeOf } from './foreign.js';
import type { Operation } from './operation.js';
import { isHolding, isPath, viewOf, type View } from './paths.js';
import type { Store } from './store.js';

/** Nodes of one name that are read. */
const readMax = 50;

/**
 * Nodes of other libraries below a name of ours and where their recipes put them, holds that end with no session, a claim that is not
 * taken up, and the same name in other letters.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export function examine(store: Store, ports: Ports, name: LockName): Promise<Examination> {
  return seenTwice(ports, async () => {
    const operation = store.question('looking at a name');
    const parent = store.paths.of(name);
    const [found, beside, rivals] = await Promise.all([
      operation.children(parent),
      besideOurs(store, operation, name),
      rivalsOf(store, operation, name),
    ]);
    if (found === undefined) return { ...nothingInTheWay, foreign: beside, rivals };
    const view = viewOf(found.children, found.stat.version);
    const [foreign, pauses] = await Promise.all([
      belowOurs(operation, parent, found.children),
      claimIn(store, operation, parent, view),
    ]);
    return { foreign: [...foreign, ...beside], pauses, rivals };
  });
}

async function belowOurs(operation: Operation, parent: string, children: readonly string[]): Promise<readonly ForeignLock[]> {
  const suspects = children.filter((node) => isHolding(node) || looksOf(node) !== undefined).slice(0, readMax);
  const locks = await Promise.all(
    suspects.map(async (node) => {
      const path = `${parent}/${node}`;
      const read = await operation.read(path);
      const looks = read === undefined ? undefined : (looksOfHold(node, read) ?? looksOf(node));
      return read === undefined || looks === undefined ? [] : [foreignLock(path, read, looks)];
    }),
  );
  return locks.flat();
}

/** Where other libraries are mostly told to lock a name: its own path, or below `/locks`. */
async function besideOurs({ paths }: Store, operation: Operation, { text }: LockName): Promise<readonly ForeignLock[]> {
  const parents = [`/${text}`, `/locks/${text}`].filter((path) => isPath(path) && !path.startsWith(`${paths.root}/`));
  const locks = await Promise.all(
    parents.map(async (parent) => {
      const found = await orNothing(operation.children(parent));
      const node = firstInLine((found?.children ?? []).filter((child) => recipeOf(child) !== undefined));
      const looks = node === undefined ? undefined : recipeOf(node);
      if (looks === undefined) return [];
      const read = await orNothing(operation.read(`${parent}/${node}`));
      return read === undefined ? [] : [foreignLock(`${parent}/${node}`, read, looks)];
    }),
  );
  return locks.flat();
}

/** Nodes of others that this login may not read. */
async function orNothing<T>(answer: Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (codeOf((error as Error).cause) === codes.noAuth) return undefined;
    throw error;
  }
}

/** Nobody holds, and the head of the queue has not come: how long it still has is counted by those who wait behind it. */
async function claimIn(store: Store, operation: Operation, parent: string, view: View): Promise<readonly NamePause[]> {
  const [head] = view.places;
  if (head === undefined || view.holders.length > 0) return [];
  const record = await store.record(operation, parent, head, false);
  if (record === undefined) return [];
  return [{ because: 'claim', leftMs: undefined, of: waiterText(record.ownerDigest, record.node) }];
}

async function rivalsOf(store: Store, operation: Operation, name: LockName): Promise<readonly Rival[]> {
  const rivals = await Promise.all(
    otherLetters(name).map(async (other): Promise<readonly Rival[]> => {
      const parent = store.paths.of(other);
      const [holder] = (await store.look(operation, parent))?.holders ?? [];
      const record = holder === undefined ? undefined : await store.record(operation, parent, holder, true);
      if (record === undefined) return [];
      // How long a session of others lasts yet, nobody knows.
      const { expiresInMs: _, ...known } = record;
      return [rivalOf(known, 'case')];
    }),
  );
  return rivals.flat();
}
