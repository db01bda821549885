import type { ForeignLock } from '../../core/examination.js';
import { BackendCorruptError } from '../../core/errors.js';
import { shellWord } from '../../core/shell-word.js';
import type { Item } from './client.js';
import { endedPrefix, entryOf } from './item.js';

/** How the items of lock clients look: what they count as alive, and how long it is good for. */
interface Client {
  readonly library: string;
  /** Attributes that all of its items have. */
  readonly marks: readonly string[];
  /** Another one with every sign of life. */
  readonly version: string;
  readonly leaseMs: (item: Item) => number;
}

const clients: readonly Client[] = [
  {
    library: 'amazon-dynamodb-lock-client',
    marks: ['recordVersionNumber', 'leaseDuration'],
    version: 'recordVersionNumber',
    leaseMs: (item) => Number(valueIn(item, 'leaseDuration')),
  },
  {
    library: 'dynamodb-lock-client',
    marks: ['guid', 'leaseDurationMs'],
    version: 'fencingToken',
    leaseMs: (item) => Number(valueIn(item, 'leaseDurationMs')),
  },
  {
    library: 'python-dynamodb-lock',
    marks: ['record_version_number', 'lease_duration_in_seconds'],
    version: 'record_version_number',
    leaseMs: (item) => Number(valueIn(item, 'lease_duration_in_seconds')) * 1_000,
  },
];

const valueIn = (item: Item, name: string) => item[name]?.S ?? item[name]?.N;

/** Undefined for an item of ours, and for one that its client has given back. */
export function foreignLock(table: string, key: string, item: Item): ForeignLock | undefined {
  if (item['lease_status'] !== undefined) return damagedLock(table, key, item);
  const names = Object.keys(item).filter((name) => name !== 'name' && !name.startsWith(endedPrefix));
  if (names.length === 0 || item['isReleased'] !== undefined) return undefined;
  const client = clients.find(({ marks }) => marks.every((mark) => item[mark] !== undefined));
  const lock = lockOf(table, key, item, client?.version ?? names[0] ?? '');
  if (client === undefined) return { ...lock, library: undefined, shape: `an item with ${names.sort().slice(0, 5).join(', ')}` };
  const shape = `an item with ${client.marks.join(' and ')}`;
  const leaseMs = client.leaseMs(item);
  return {
    ...lock,
    library: client.library,
    shape,
    ...(leaseMs > 0 ? { endsWith: `its version standing still for ${leaseMs / 1_000} s, as its own clients count it` } : {}),
  };
}

/** One of ours that was changed by hand. */
function damagedLock(table: string, key: string, item: Item): ForeignLock | undefined {
  try {
    entryOf(key, item);
    return undefined;
  } catch (error) {
    if (!(error instanceof BackendCorruptError)) throw error;
    return { ...lockOf(table, key, item, 'version'), library: 'holdfast', shape: 'an item that was changed by hand' };
  }
}

/** @param version the attribute by which it is known to be still the same */
function lockOf(table: string, key: string, item: Item, version: string) {
  const where = `--table-name ${table} --key ${shellWord(JSON.stringify({ name: { S: key } }))}`;
  const value = item[version];
  const isPlain = value?.S !== undefined || value?.N !== undefined;
  const condition = isPlain
    ? `--condition-expression '#v = :v' --expression-attribute-names ${shellWord(JSON.stringify({ '#v': version }))} --expression-attribute-values ${shellWord(JSON.stringify({ ':v': value }))}`
    : `--condition-expression 'attribute_exists(#v)' --expression-attribute-names ${shellWord(JSON.stringify({ '#v': version }))}`;
  return {
    key,
    expiresInMs: undefined,
    look: `aws dynamodb get-item ${where} --consistent-read`,
    remove: `aws dynamodb delete-item ${where} ${condition}`,
  };
}
