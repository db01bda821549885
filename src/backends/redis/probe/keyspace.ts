import type { Finding } from '../../../core/backend.js';
import { list, number, text } from '../replies.js';
import type { Server } from './server.js';

/** Bounds of the walk: a few milliseconds of the server's time each, and seconds in all. */
const stepsMax = 200;
const keysPerStep = 1_000;
/** Keys whose time is asked for at once. */
const keysAtOnce = 200;
/** Keys that a finding names. */
const shown = 3;

/** Long enough for whoever may hold it after all to end. */
const graceMs = 3_600_000;

interface Walk {
  readonly locks: readonly string[];
  readonly siblings: readonly string[];
  readonly complete: boolean;
}

/** What stands below the prefix without a TTL, where everything has one. */
export async function keyspace(server: Server, prefix: string): Promise<readonly Finding[]> {
  const { locks, siblings, complete } = await endless(server, prefix);
  const found: Finding[] = [];
  if (locks.length > 0) {
    found.push({
      severity: 'warning',
      what: `${locks.length === 1 ? 'a key' : `${locks.length} keys`} below the prefix without a TTL: ${named(locks)}`,
      why: 'Holdfast writes none, but respects it: the name is held until somebody deletes the key. Usually a process died between SETNX and EXPIRE',
      fix: give(locks, graceMs),
    });
  }
  if (siblings.length > 0) {
    found.push({
      severity: 'warning',
      what: `${siblings.length === 1 ? 'a sibling key' : `${siblings.length} sibling keys`} of locks without a TTL: ${named(siblings)}`,
      why: 'somebody took its TTL away (PERSIST, or a restore without it): it stays for ever',
      fix: give(siblings, 2 * 86_400_000),
    });
  }
  if (!complete) {
    found.push({
      severity: 'info',
      what: `only about ${stepsMax * keysPerStep} keys of the database were looked at`,
      why: 'locks without a TTL may be among the others',
      fix: `redis-cli --scan --pattern '${prefix}*' | while read -r key; do echo "$(redis-cli PTTL "$key") $key"; done | grep '^-1 '`,
    });
  }
  return found;
}

async function endless(server: Server, prefix: string): Promise<Walk> {
  const locks: string[] = [];
  const siblings: string[] = [];
  let cursor = '0';
  for (let step = 0; step < stepsMax; step++) {
    const reply = await server.ask('SCAN', cursor, 'COUNT', String(keysPerStep));
    if (reply === undefined) return { locks, siblings, complete: true };
    const [next, keys] = list(reply);
    cursor = text(next);
    const wanted = list(keys)
      .map(text)
      .filter((key) => isLock(key, prefix) || isSibling(key, prefix));
    for (const key of await withoutEnd(server, wanted)) (isSibling(key, prefix) ? siblings : locks).push(key);
    if (cursor === '0') return { locks, siblings, complete: true };
  }
  return { locks, siblings, complete: false };
}

/** Without a prefix any key could be meant: what belongs to others is not reported. */
function isLock(key: string, prefix: string): boolean {
  return prefix !== '' && key.startsWith(prefix);
}

/** Records may be kept for good. */
function isSibling(key: string, prefix: string): boolean {
  return (
    key.startsWith(`{${prefix}`) &&
    /\}:(?:fence|who|queue|queue:shared|shared|shared:who|ended|ended:why|record:writes)$/.test(key)
  );
}

async function withoutEnd(server: Server, keys: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (let i = 0; i < keys.length; i += keysAtOnce) {
    const portion = keys.slice(i, i + keysAtOnce);
    // A key that has just moved to another server of a Cluster is no matter.
    const left = await Promise.all(portion.map((key) => server.ask('PTTL', key).catch(() => undefined)));
    found.push(...portion.filter((_, n) => left[n] !== undefined && number(left[n]) === -1));
  }
  return found;
}

function named(keys: readonly string[]): string {
  const more = keys.length > shown ? ' and others' : '';
  return (
    keys
      .slice(0, shown)
      .map((key) => `"${key}"`)
      .join(', ') + more
  );
}

function give(keys: readonly string[], ttlMs: number): string {
  return keys
    .slice(0, shown)
    .map((key) => `redis-cli PEXPIRE '${key.replaceAll("'", `'\\''`)}' ${ttlMs}`)
    .join(' && ');
}
