import { asciiName } from '../../../core/ascii.js';
import type { Ports } from '../../../core/clock.js';
import { ownerDigest } from '../../../core/clock.js';
import type { Examination, NamePause, Rival } from '../../../core/examination.js';
import { nothingInTheWay, otherLetters, seenTwice, waiterText } from '../../../core/examining.js';
import { limits } from '../../../core/limits.js';
import type { LockName } from '../../../core/name.js';
import type { NodeIdentity } from '../../../core/node.js';
import { nameOf, parse, unknownNode } from '../answers.js';
import type { Commands } from '../commands.js';
import { identifier, literal, textArray } from '../sql/text.js';
import { foreignLock, type Locker, locksSeen, rowLockers } from './locks.js';

interface RivalRow {
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly fence: string;
  readonly left: number;
  readonly node: string;
}

/** What our own tables say of a name. */
interface NameSeen {
  readonly lockers: readonly Locker[];
  readonly held: boolean;
  /** Null: whoever asks next opens the claim windows. */
  readonly freeForMs: number | null;
  readonly head: { readonly owner: string; readonly node: string } | null;
  readonly rivals: readonly RivalRow[];
}

const ms = (interval: string) => `ceil(extract(epoch FROM ${interval}) * 1000)`;
const now = 'clock_timestamp()';

const rivalsIn = (schema: string, names: readonly string[]) =>
  `SELECT ${literal(schema)} AS schema, name, owner, fence::text AS fence, ${ms(`expires - ${now}`)} AS left, node FROM ${identifier(schema)}.leases
    WHERE name = ANY (${textArray(names)}) AND expires > ${now}`;

/** Reads only. Each name is looked up by its key. */
function question(schema: string, stored: string, others: readonly string[], schemas: readonly string[]): string {
  const s = identifier(schema);
  const is = `name = ${literal(stored)}`;
  const rivals = [rivalsIn(schema, others), ...schemas.map((other) => rivalsIn(other, [stored]))];
  return `SELECT json_build_object(
  'lockers', ${rowLockers(`${s}.leases`, stored)},
  'held', EXISTS (SELECT FROM ${s}.leases WHERE ${is} AND expires > ${now}) OR EXISTS (SELECT FROM ${s}.readers WHERE ${is} AND expires > ${now}),
  'freeForMs', (SELECT ${ms(`${now} - free_since`)} FROM ${s}.leases WHERE ${is} AND expires = '-infinity'),
  'head', (SELECT json_build_object('owner', owner, 'node', node) FROM ${s}.waiters
    WHERE ${is} AND seen > ${now} - interval '${limits.placeMs} milliseconds' ORDER BY seq LIMIT 1),
  'rivals', (SELECT coalesce(json_agg(r), '[]') FROM (${rivals.join(' UNION ALL ')}) r))::text AS r`;
}

/**
 * Who has the name locked past our leases, a claim that has not been taken up, and the same name in other schemas and letters.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export function examine(
  commands: Commands,
  ports: Ports,
  schema: string,
  name: LockName,
  timeoutMs: number,
): Promise<Examination> {
  return seenTwice(ports, () => look(commands, schema, name, timeoutMs));
}

async function look(commands: Commands, schema: string, name: LockName, timeoutMs: number): Promise<Examination> {
  const stored = asciiName(name.encoded);
  const { installed, blocked, lockers, schemas } = await locksSeen(commands, schema, stored, name, timeoutMs);
  const foreign = lockers.filter(({ kind }) => kind !== 'check').map((locker) => foreignLock(locker, schema));
  // What is asked for below would create the tables where they are not there, and wait where they are locked.
  if (!installed || blocked) return { ...nothingInTheWay, foreign };
  const others = otherLetters(name).map(({ encoded }) => asciiName(encoded));
  const asked = question(schema, stored, others, schemas);
  const seen = JSON.parse((await commands.query(asked, 'looking at a name', timeoutMs)) ?? '{}') as NameSeen;
  // A transaction that was checked with the lease of today is in nobody's way before that ends.
  const late = seen.held ? [] : lockers.filter(({ kind }) => kind === 'check');
  // One that has the name itself has its row locked, too, and is told once.
  const told = new Set(lockers.map(({ pid }) => pid));
  const rows = seen.lockers.filter(({ pid }) => !told.has(pid));
  return {
    foreign: [...foreign, ...[...late, ...rows].map((locker) => foreignLock(locker, schema))],
    pauses: claimIn(seen),
    rivals: seen.rivals.map((row) => rivalOf(row, schema)),
  };
}

/** The head of the queue has so long, counted from when the name became free. */
function claimIn({ held, freeForMs, head }: NameSeen): readonly NamePause[] {
  const leftMs = limits.claimMs - Math.max(0, freeForMs ?? 0);
  if (held || head === null || leftMs <= 0) return [];
  const of = waiterText(ownerDigest(head.owner), parse<NodeIdentity>(head.node, unknownNode));
  return [{ because: 'claim', leftMs, of }];
}

function rivalOf({ schema, name, owner, fence, left, node }: RivalRow, own: string): Rival {
  return {
    where: `schema ${schema}`,
    differs: schema === own ? 'case' : 'prefix',
    name: nameOf(name),
    key: `${schema}.leases`,
    ownerDigest: ownerDigest(owner),
    node: parse<NodeIdentity>(node, unknownNode),
    fence: BigInt(fence),
    expiresInMs: Math.max(0, left),
  };
}
