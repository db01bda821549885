import type { Examination, ForeignLock, NamePause, Rival } from '../../core/examination.js';
import { otherLetters, rivalOf, seenTwice, waiterText } from '../../core/examining.js';
import type { LockName } from '../../core/name.js';
import { verdictOf } from './errors.js';
import { consulLock, foreignLock, mayNot, placesBeside, strangerBelow } from './foreign.js';
import type { NameKeys } from './keys.js';
import { isDelayed, isThere, type KeyValue, lock, look, lookBelow, type Op } from './ops.js';
import type { Store } from './store.js';
import { lockRecord, parseText } from './values.js';

/** Locks of others whose sessions are asked for. */
const foreignMax = 20;

/** Of no session, and of no key: a transaction with them cannot come true. */
const nobody = '00000000-0000-0000-0000-000000000000';
const nowhere = 'never-there';

/**
 * Keys of other tools below and beside our prefix, a claim that is not taken up, the lock-delay after a session that was ended, and
 * the same name in other letters.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export function examine(store: Store, name: LockName): Promise<Examination> {
  return seenTwice(store.rpc.ports, async () => {
    const keys = store.keys.of(name);
    const [below, beside, others] = await Promise.all([
      read(store, [lookBelow(keys.base)]),
      read(store, placesBeside(name).map(look)).catch(orNothing),
      read(
        store,
        otherLetters(name).map((other) => look(store.keys.of(other).lock)),
      ),
    ]);
    const isHeld = below.some(({ key }) => key === keys.lock || key.startsWith(keys.readers));
    return {
      foreign: await foreignOf(store, keys, below, beside),
      pauses: isHeld ? [] : [...claimIn(store, below), ...(await delayOf(store, keys))],
      rivals: others.flatMap((kv) => namesakeOf(store, kv)),
    };
  });
}

async function read({ rpc, commandTimeoutMs }: Store, ops: readonly Op[]): Promise<readonly KeyValue[]> {
  if (ops.length === 0) return [];
  const answer = await rpc.txn('looking at a name', ops, commandTimeoutMs, undefined, true);
  return answer.ok ? answer.kvs : [];
}

function orNothing(error: unknown): readonly KeyValue[] {
  if (mayNot(error)) return [];
  throw error;
}

async function foreignOf(
  { rpc, keys: all, commandTimeoutMs }: Store,
  keys: NameKeys,
  below: readonly KeyValue[],
  beside: readonly KeyValue[],
): Promise<readonly ForeignLock[]> {
  const found = [
    ...below.map((kv) => [kv, strangerBelow(kv, keys, all)] as const),
    ...beside.map((kv) => [kv, consulLock(kv)] as const),
  ];
  const strangers = found.flatMap(([kv, looks]) => (looks === undefined ? [] : [{ kv, looks }])).slice(0, foreignMax);
  return Promise.all(strangers.map(({ kv, looks }) => foreignLock(rpc, kv, looks, commandTimeoutMs)));
}

/** Nobody holds, and the head of the queue has not come: how long it still has is counted by those who wait behind it. */
function claimIn({ keys }: Store, kvs: readonly KeyValue[]): readonly NamePause[] {
  const places = kvs.filter(({ key }) => keys.parse(key)?.kind === 'wait');
  const [head] = [...places].sort((a, b) => a.createIndex - b.createIndex);
  if (head === undefined) return [];
  const { ownerDigest, node } = lockRecord('', head, 'waiting');
  return [{ because: 'claim', leftMs: undefined, of: waiterText(ownerDigest, node) }];
}

/** Consul shows a lock-delay to nobody but who is refused for it: so this asks in a transaction that cannot come true. */
async function delayOf({ rpc, keys: all, commandTimeoutMs }: Store, keys: NameKeys): Promise<readonly NamePause[]> {
  try {
    const ops = [lock(keys.lock, nobody, ''), isThere(`${all.prefix}${nowhere}`)];
    const answer = await rpc.txn('looking for a lock-delay', ops, commandTimeoutMs);
    return isDelayed(answer)
      ? [
          {
            because: 'lock-delay',
            leftMs: undefined,
            of: 'a session that had locked the name, and was ended without giving it back',
          },
        ]
      : [];
  } catch (error) {
    if (mayNot(error) || verdictOf(error) === 'session-gone') return [];
    throw error;
  }
}

function namesakeOf({ keys }: Store, kv: KeyValue): readonly Rival[] {
  const name = keys.parse(kv.key)?.name;
  if (name === undefined || parseText(kv) === undefined) return [];
  return [rivalOf(lockRecord(name, kv, 'held'), 'case')];
}
