import type { ForeignLock } from '../../core/examination.js';
import type { LockName } from '../../core/name.js';
import { shellWord } from '../../core/shell-word.js';
import type { NameKeys } from './keys.js';
import { anyTimeToLive } from './methods.js';
import type { Store } from './store.js';
import { isOurs } from './values.js';
import type { AnyKeyValue } from './wire/messages.js';

/** How a lock of somebody else looks. */
interface Looks {
  readonly library: string | undefined;
  readonly shape: string;
}

const mutexLooks: Looks = { library: 'etcd concurrency.Mutex (etcdctl lock)', shape: 'a key that ends with its lease' };

/** The mutex of etcd's own client, and `etcdctl lock`, make `name/LEASE` under that lease; who waits does so, too. */
function isMutex({ key, lease }: AnyKeyValue, parent: string): boolean {
  return lease !== 0n && key === `${parent}/${lease.toString(16)}`;
}

/** Of those who hold or wait for one mutex: the oldest has it. */
export function withoutWaiters<T extends { readonly kv: AnyKeyValue; readonly looks: Looks }>(found: readonly T[]): readonly T[] {
  const oldestFirst = [...found].sort((a, b) => a.kv.createRevision - b.kv.createRevision);
  const parent = ({ kv }: T) => kv.key.slice(0, kv.key.lastIndexOf('/'));
  return oldestFirst.filter(
    (one, i) =>
      one.looks !== mutexLooks ||
      !oldestFirst.slice(0, i).some((other) => other.looks === mutexLooks && parent(other) === parent(one)),
  );
}

/** Below our prefix, where nobody else has business; undefined for what is ours and in order. */
export function strangerBelow(kv: AnyKeyValue, keys: NameKeys): Looks | undefined {
  const rest = kv.key.slice(keys.base.length);
  if (/^\/(?:record|(?:ended|queue)\/.+)$/.test(rest)) return undefined;
  if (!/^\/held\/(?:exclusive|shared)\/[^/]+$/.test(rest))
    return isMutex(kv, keys.base) ? mutexLooks : (lockOnKey(kv) ?? unknownLooks(kv));
  if (!isOurs(kv)) return { library: undefined, shape: `${kv.value.length} characters where a hold belongs` };
  return kv.lease === 0n ? { library: 'holdfast', shape: 'a hold that was written again without its lease' } : undefined;
}

/** Beside our prefix, where other libraries put a lock of this name; undefined for what does not look like one. */
export function strangerBeside(kv: AnyKeyValue, { text }: LockName): Looks | undefined {
  if (isMutex(kv, text)) return mutexLooks;
  if (kv.key === `/locks/${text}` && kv.lease !== 0n) return { library: 'python-etcd3', shape: `${kv.value.length} characters` };
  return kv.key === text ? lockOnKey(kv) : undefined;
}

/** Of etcd3 for Node.js: the name itself, empty, under a lease. */
function lockOnKey({ value, lease }: AnyKeyValue): Looks | undefined {
  return value === '' && lease !== 0n ? { library: 'etcd3', shape: 'an empty value under a lease' } : undefined;
}

function unknownLooks({ value }: AnyKeyValue): Looks {
  return { library: undefined, shape: value === '' ? 'an empty value' : `${value.length} characters` };
}

/** Undefined if its lease is over. @throws BackendUnavailableError, OutcomeUnknownError */
export async function foreignLock(
  { rpc, commandTimeoutMs }: Store,
  kv: AnyKeyValue,
  { library, shape }: Looks,
): Promise<ForeignLock | undefined> {
  const { ttl } = kv.lease === 0n ? { ttl: 0 } : await rpc.call(anyTimeToLive, { id: kv.lease }, commandTimeoutMs);
  if (ttl < 0) return undefined;
  const key = shellWord(kv.key);
  const tool = `etcdctl --endpoints=${rpc.endpoints.all.map(({ address }) => address).join(',')}`;
  return {
    key: kv.key,
    library,
    shape,
    expiresInMs: kv.lease === 0n ? undefined : ttl * 1_000,
    look: `${tool} get ${key} -w fields`,
    // A transaction, so that it takes away what was seen and nothing that came after it.
    remove: `printf 'mod(${inTxn(kv.key)}) = "${kv.modRevision}"\\n\\ndel ${inTxn(kv.key)}\\n\\n\\n' | ${tool} txn`,
  };
}

/** For a line of a transaction, inside of printf's single quotes. */
function inTxn(key: string): string {
  return `"${key.replace(/["\\]/g, '\\$&')}"`.replaceAll('\\', '\\\\').replaceAll('%', '%%').replaceAll("'", `'\\''`);
}
