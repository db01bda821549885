import type { LockRecord } from '../../core/backend.js';
import { BackendCorruptError, ClosedError } from '../../core/errors.js';
import type { LockName } from '../../core/name.js';
import type { Item, Key } from './client.js';
import type { Context } from './context.js';
import { free, isSeen, namesIn, setAndRemove } from './expressions.js';
import { freeValues, seenValues } from './granting.js';
import { type Entry, entryOf, recordOf, text } from './item.js';

const filter = 'begins_with(#name, :start) AND #lease_status = :held';

/** Whoever holds one name: one, or none. */
export async function recordsAt(context: Context, name: LockName): Promise<readonly LockRecord[]> {
  const { table, keys, settings } = context;
  const key = keys.of(name);
  const item = await table.trip(settings.commandTimeoutMs).get(key);
  if (item?.['lease_status']?.S !== 'held') return [];
  const record = await recordIn(context, name.text, key, item, { works: true });
  return record === undefined ? [] : [record];
}

/**
 * Reads the whole table, page by page: DynamoDB has no order of keys that a prefix could use. A hold that this process has
 * seen unchanged for its TTL is over: that is written down, so that everybody knows it at once, and it is not shown. Where that
 * fails it is shown as it stands: freeing is a courtesy, and the answer is what was asked for.
 */
export async function* records(context: Context, prefix: string): AsyncGenerator<LockRecord> {
  const { keys } = context;
  const courtesy = { works: true };
  let from: Key | undefined;
  do {
    const page = await scan(context, keys.startOf(prefix), from);
    for (const item of page.Items ?? []) {
      const key = (item as Item)['name']?.S ?? '';
      const name = keys.nameOf(key);
      if (!name.startsWith(prefix)) continue;
      const record = await recordIn(context, name, key, item as Item, courtesy);
      if (record !== undefined) yield record;
    }
    from = page.LastEvaluatedKey as Key | undefined;
  } while (from !== undefined);
}

function scan({ table, settings }: Context, start: string, from: Key | undefined) {
  return table.call('listing', settings.commandTimeoutMs, false, (methods, options) =>
    methods.scan(
      {
        TableName: table.name,
        ConsistentRead: true,
        FilterExpression: filter,
        ExpressionAttributeNames: namesIn(filter),
        ExpressionAttributeValues: { ':start': text(start), ':held': text('held') },
        ...(from === undefined ? {} : { ExclusiveStartKey: from }),
      },
      options,
    ),
  );
}

/** @param courtesy whether freeing goes well: where it does not, each one that is tried in vain would hold up the rest */
async function recordIn(
  context: Context,
  name: string,
  key: string,
  item: Item,
  courtesy: { works: boolean },
): Promise<LockRecord | undefined> {
  const { table, sightings } = context;
  const seen = readable(key, item);
  if (seen === undefined) return damaged(name, key);
  if (seen.hold === undefined) return undefined;
  const isOver = sightings.look(seen, seen.hold) <= 0;
  const entry = isOver && courtesy.works ? await freed(context, seen, courtesy) : seen;
  if (entry.hold === undefined) return undefined;
  return recordOf(name, entry, entry.hold, sightings.look(entry, entry.hold), table.wallMs());
}

/** One that is damaged must not hide the others. */
function readable(key: string, item: Item): Entry | undefined {
  try {
    return entryOf(key, item);
  } catch (error) {
    if (error instanceof BackendCorruptError) return undefined;
    throw error;
  }
}

function damaged(name: string, key: string): LockRecord {
  return {
    name,
    key,
    state: 'held',
    mode: 'exclusive',
    ownerDigest: '',
    node: { host: 'unknown', pid: 0, bootId: '', startedAt: '', nonce: '' },
    ttlMs: 0,
    sinceMs: 0,
    metadata: { damaged: true },
  };
}

/** Frees a hold whose time is over, in the version that was seen. Answers what stands there then. */
async function freed({ table, sightings, settings }: Context, entry: Entry, courtesy: { works: boolean }): Promise<Entry> {
  const change = {
    update: setAndRemove([free.set], [free.remove]),
    when: `${isSeen} AND #version = :seenVersion`,
    values: { ...freeValues(table, settings.retentionMs), ...seenValues(entry), ':seenVersion': { N: entry.version } },
  };
  try {
    const answer = await table.trip(settings.commandTimeoutMs).update('freeing', entry.key, change);
    sightings.forget(entry.key);
    return answer.done ? { ...entry, hold: undefined } : entryOf(entry.key, answer.item);
  } catch (error) {
    if (error instanceof ClosedError) throw error;
    // Throttled, unanswered, or without the right to write. The next one who wants the name takes it over.
    courtesy.works = false;
    return entry;
  }
}
