import { createHash } from 'node:crypto';
import os from 'node:os';
import process from 'node:process';
import type { LockRecord } from '../core/backend.js';
import { systemPorts } from '../core/clock.js';
import { parseName } from '../core/name.js';
import type { Records, StoredRecord } from '../core/records.js';

/** A revocation as it is noted beside the locks. */
export interface NotedRevocation {
  /** By the clock of whoever revoked. */
  readonly at: string;
  readonly by: { readonly user: string; readonly host: string };
  readonly reason: string;
  /** How many holds were ended; of very many readers not all are named. */
  readonly endedCount: number;
  readonly ended: readonly {
    readonly fence: string | null;
    readonly ownerDigest: string;
    readonly host: string;
    readonly pid: number;
  }[];
  /** Every later fence of the name is higher than this one. */
  readonly nextFenceAbove: string | null;
}

/** What the key of each starts with; a name may be too long for a key, so its digest follows. */
export const revocationKeyPrefix = 'holdfast:revocations:';

const keptMs = 30 * 86_400_000;
/** Of one name. A record must fit into every store. */
const keptMax = 20;
/** Holds that one revocation names: those of the highest fences. */
const namedMax = 20;
/** Somebody else notes one at the same moment. */
const triesMax = 20;

/** Notes who ended what and why, kept for thirty days. @throws HoldfastError */
export async function noteRevocation(
  records: Records,
  name: string,
  reason: string,
  ended: readonly LockRecord[],
): Promise<void> {
  const key = keyOf(name);
  const noted = revocationOf(reason, ended);
  const ttlMs = (records.ttlMsMax ?? keptMs) < keptMs ? undefined : keptMs;
  let found = await records.get(key);
  for (let tries = 0; tries < triesMax; tries++) {
    const value = JSON.stringify({ name, revocations: [...notedIn(found, name), noted].slice(-keptMax) });
    const { written, record } = await (found === undefined
      ? records.create(key, value, ttlMs)
      : records.compareAndSet(key, found.version, value, ttlMs));
    if (written) return;
    found = record;
  }
  throw new Error('others write to it all the time');
}

/** The latest last. @throws HoldfastError */
export async function revocationsOf(records: Records, name: string): Promise<readonly NotedRevocation[]> {
  return notedIn(await records.get(keyOf(name)), name);
}

function keyOf(name: string): string {
  return revocationKeyPrefix + createHash('sha256').update(parseName(name).encoded).digest('hex');
}

/** A damaged record must not be what keeps a person from the rest. */
function notedIn(record: StoredRecord | undefined, name: string): readonly NotedRevocation[] {
  if (record === undefined) return [];
  try {
    const found = JSON.parse(record.value) as { name: string; revocations: readonly NotedRevocation[] };
    const isYoung = ({ at }: NotedRevocation) => record.storeTimeMs - Date.parse(at) < keptMs;
    return found.name === name ? found.revocations.filter((one) => isWhole(one) && isYoung(one)) : [];
  } catch {
    return [];
  }
}

function isWhole(one: Partial<NotedRevocation> | null): boolean {
  const texts = [one?.at, one?.by?.user, one?.by?.host, one?.reason];
  return texts.every((text) => typeof text === 'string') && Array.isArray(one?.ended);
}

function revocationOf(reason: string, ended: readonly LockRecord[]): NotedRevocation {
  const sorted = [...ended].sort((a, b) => ((a.fence ?? 0n) < (b.fence ?? 0n) ? -1 : 1));
  const last = sorted.at(-1)?.fence;
  return {
    at: new Date(systemPorts().now().wallMs).toISOString(),
    by: { user: user(), host: os.hostname() },
    reason,
    endedCount: ended.length,
    ended: sorted.slice(-namedMax).map(({ fence, ownerDigest, node }) => ({
      fence: fence === undefined ? null : String(fence),
      ownerDigest,
      host: node.host,
      pid: node.pid,
    })),
    nextFenceAbove: last === undefined ? null : String(last),
  };
}

/** Who is behind sudo is the one to be asked. */
function user(): string {
  const name = nameOfUser();
  const { SUDO_USER: caller } = process.env;
  return caller === undefined || caller === '' || caller === name ? name : `${caller} as ${name}`;
}

function nameOfUser(): string {
  try {
    return os.userInfo().username;
  } catch {
    // No such entry: a container that runs under a bare number.
    return `uid ${process.getuid?.() ?? 'unknown'}`;
  }
}
