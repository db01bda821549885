import type { ForeignLock } from '../../core/examination.js';
import type { LockName } from '../../core/name.js';
import { shellWord } from '../../core/shell-word.js';
import { verdictOf } from './errors.js';
import type { Keys, NameKeys } from './keys.js';
import type { KeyValue } from './ops.js';
import { parsed, type Rpc } from './rpc.js';
import { isReadersText, parseText } from './values.js';

/** How a lock of somebody else looks. */
interface Looks {
  readonly library: string | undefined;
  readonly shape: string;
}

/** What `GET /v1/session/info` tells. */
interface SessionInfo {
  readonly ID: string;
  readonly Name?: string;
  readonly Node?: string;
  readonly TTL?: string;
}

/** Below a name of ours, where nobody else has business; undefined for what is ours. */
export function strangerBelow(kv: KeyValue, keys: NameKeys, all: Keys): Looks | undefined {
  const kind = all.parse(kv.key)?.kind;
  if (kind === undefined) return consulLock(kv) ?? unknownLooks(kv);
  if (kind === 'line' || kind === 'wait') return undefined;
  const isOurs = parseText(kv) !== undefined || (kv.key === keys.lock && isReadersText(kv.value));
  return isOurs ? undefined : (consulLock(kv) ?? unknownLooks(kv));
}

/** Beside our prefix: a key that is called like the name, or `NAME/.lock` of `consul lock`, while a session has it. */
export function placesBeside({ text }: LockName): readonly string[] {
  return text === '' ? [] : [text, `${text}/.lock`];
}

export function consulLock({ key, session }: KeyValue): Looks | undefined {
  if (session === '') return undefined;
  return key.endsWith('/.lock')
    ? { library: 'consul lock', shape: 'a key .lock that a session has locked' }
    : { library: "Consul's own locks", shape: 'a key that a session has locked' };
}

function unknownLooks({ value }: KeyValue): Looks {
  return { library: undefined, shape: `${value.length} characters where a hold belongs` };
}

/** @throws BackendUnavailableError, OutcomeUnknownError */
export async function foreignLock(rpc: Rpc, kv: KeyValue, { library, shape }: Looks, timeoutMs: number): Promise<ForeignLock> {
  const key = shellWord(kv.key);
  const end = kv.session === '' ? undefined : await sessionText(rpc, kv.session, timeoutMs);
  return {
    key: kv.key,
    library,
    shape,
    expiresInMs: undefined,
    ...(end === undefined ? {} : { endsWith: end }),
    look: `consul kv get -detailed ${key}`,
    remove: `consul kv delete -cas -modify-index=${kv.modifyIndex} ${key}`,
  };
}

async function sessionText(rpc: Rpc, id: string, timeoutMs: number): Promise<string> {
  try {
    const { text } = await rpc.call('reading a session', { method: 'GET', path: `/v1/session/info/${id}` }, timeoutMs);
    const [info] = parsed('reading a session', text, () => JSON.parse(text) as readonly SessionInfo[]);
    if (info === undefined) return `session ${id}`;
    const ttl = info.TTL === undefined || info.TTL === '' ? 'no TTL' : `TTL ${info.TTL}`;
    return `session ${id} ("${info.Name ?? ''}" of ${info.Node ?? 'unknown'}, ${ttl})`;
  } catch (error) {
    if (mayNot(error)) return `session ${id}`;
    throw error;
  }
}

/** This token may not look there. */
export function mayNot(error: unknown): boolean {
  return verdictOf((error as Error).cause ?? error) === 'permanent';
}
