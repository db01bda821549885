import type { Examination, ForeignLock, NamePause, Rival } from '../../core/examination.js';
import { otherLetters, rivalOf, seenTwice, waiterText } from '../../core/examining.js';
import type { LockName } from '../../core/name.js';
import { verdictOf } from './errors.js';
import { foreignLock, strangerBelow, strangerBeside, withoutWaiters } from './foreign.js';
import { anyRange, range } from './methods.js';
import type { Store } from './store.js';
import { lockRecord } from './values.js';
import type { AnyKeyValue, RangeRequest } from './wire/messages.js';

/** Keys of one name that are looked at. */
const keysMax = 1_000;
/** Locks of others whose leases are asked for. */
const foreignMax = 20;

/**
 * Locks of other libraries below and beside our prefix, holds without a lease, a claim that is not taken up, and the same name in other
 * letters.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export function examine(store: Store, name: LockName): Promise<Examination> {
  return seenTwice(store.rpc.ports, async () => {
    const keys = store.keys.of(name);
    const [below, self, rivals, beside] = await Promise.all([
      ask(store, { key: `${keys.base}/`, rangeEnd: `${keys.base}0` }),
      ask(store, { key: keys.base }),
      rivalsOf(store, name),
      besideOurs(store, name),
    ]);
    const found = [...below, ...self].flatMap((kv) => {
      const looks = strangerBelow(kv, keys);
      return looks === undefined ? [] : [{ kv, looks }];
    });
    const strangers = withoutWaiters([...found, ...beside]).slice(0, foreignMax);
    const foreign = await Promise.all(strangers.map(({ kv, looks }) => foreignLock(store, kv, looks)));
    return { foreign: foreign.filter((lock): lock is ForeignLock => lock !== undefined), pauses: claimIn(store, below), rivals };
  });
}

async function ask({ rpc, commandTimeoutMs }: Store, request: RangeRequest): Promise<readonly AnyKeyValue[]> {
  const { kvs } = await rpc.call(anyRange, { ...request, limit: keysMax }, commandTimeoutMs);
  return kvs;
}

/** A user of the cluster who may only read below our prefix is told of nothing beside it. */
async function besideOurs(store: Store, name: LockName) {
  const places = [{ key: name.text }, { key: `${name.text}/`, rangeEnd: `${name.text}0` }, { key: `/locks/${name.text}` }];
  const found = await Promise.all(
    places.map((place) =>
      // An empty key would be asked for as all keys.
      (name.text === '' ? Promise.resolve([]) : ask(store, place)).catch((error: unknown) => {
        if (verdictOf((error as Error).cause ?? error) === 'permanent') return [];
        throw error;
      }),
    ),
  );
  return found.flat().flatMap((kv) => {
    if (kv.key.startsWith(store.keys.of(name).base)) return [];
    const looks = strangerBeside(kv, name);
    return looks === undefined ? [] : [{ kv, looks }];
  });
}

/** Nobody holds, and the head of the queue has not come: how long it still has is counted by those who wait behind it. */
function claimIn({ keys }: Store, kvs: readonly AnyKeyValue[]): readonly NamePause[] {
  const known = kvs.flatMap((kv) => {
    const parts = keys.parse(kv.key);
    return parts === undefined ? [] : [{ kv, parts }];
  });
  if (known.some(({ parts }) => parts.kind === 'held')) return [];
  const [head] = known.sort((a, b) => a.kv.createRevision - b.kv.createRevision);
  if (head === undefined) return [];
  const { ownerDigest, node } = lockRecord({ ...head.kv, lease: 0 }, head.parts);
  return [{ because: 'claim', leftMs: undefined, of: waiterText(ownerDigest, node) }];
}

async function rivalsOf({ rpc, keys, commandTimeoutMs }: Store, name: LockName): Promise<readonly Rival[]> {
  const found = await Promise.all(
    otherLetters(name).map((other) => rpc.call(range, { ...keys.of(other).held, limit: 1 }, commandTimeoutMs)),
  );
  return found.flatMap(({ kvs: [kv] }) => {
    const parts = kv === undefined ? undefined : keys.parse(kv.key);
    if (kv === undefined || parts === undefined) return [];
    return [rivalOf(lockRecord(kv, parts), 'case')];
  });
}
