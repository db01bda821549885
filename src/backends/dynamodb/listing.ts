import type { LockRecord } from '../../core/backend.js';
import type { Item, Key } from './client.js';
import type { Context } from './context.js';
import { fault } from './errors.js';
import { free, isSeen, namesIn, setAndRemove } from './expressions.js';
import { freeValues, seenValues } from './granting.js';
import { type Entry, entryOf, type Hold, recordOf, text } from './item.js';

const filter = 'begins_with(#name, :start) AND #lease_status = :held';

/**
 * Reads the whole table, page by page: DynamoDB has no order of keys that a prefix could use. A hold that this process has
 * seen unchanged for its TTL is over: that is written down, so that everybody knows it at once, and it is not shown.
 */
export async function* records(context: Context, prefix: string): AsyncGenerator<LockRecord> {
  const { table, keys } = context;
  let from: Key | undefined;
  do {
    const page = await scan(context, keys.startOf(prefix), from);
    for (const item of page.Items ?? []) {
      const key = (item as Item)['name']?.S ?? '';
      const name = keys.nameOf(key);
      if (!name.startsWith(prefix)) continue;
      const entry = entryOf(key, item as Item);
      if (entry.hold === undefined) continue;
      const leftMs = context.sightings.look(entry, entry.hold);
      if (leftMs > 0 || !(await isOver(context, entry, entry.hold))) {
        yield recordOf(name, entry, entry.hold, leftMs, table.wallMs());
      }
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

/** Frees a hold whose time is over, in the version that was seen. False if it lives after all, or may not be written. */
async function isOver({ table, sightings, settings }: Context, entry: Entry, hold: Hold): Promise<boolean> {
  const change = {
    update: setAndRemove([free.set], [free.remove]),
    when: `${isSeen} AND #version = :seenVersion`,
    values: { ...freeValues(table, settings.retentionMs), ...seenValues(entry), ':seenVersion': { N: entry.version } },
  };
  try {
    const answer = await table.trip(settings.commandTimeoutMs).update('freeing', entry.key, change);
    sightings.forget(entry.key);
    return answer.done || entryOf(entry.key, answer.item).hold?.owner !== hold.owner;
  } catch (error) {
    // Whoever lists may have the right to read only. The next one who wants the name takes it over.
    if (fault(error, 'freeing', true).permanent) return false;
    throw error;
  }
}
