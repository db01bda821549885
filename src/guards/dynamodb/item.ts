import { InvalidArgumentError, OutcomeUnknownError } from '../../core/errors.js';
import { checkedWrite, staleFence } from '../../core/guard.js';
import { type Attributes, type DynamoDBClient, isNamed, numberIn, wasResent } from './client.js';

/** A write to one item that keeps its own mark. */
export interface FencedItemUpdate {
  readonly table: string;
  readonly key: Attributes;
  readonly set: Attributes;
  readonly fence: bigint;
  /** The attribute of the mark: a number. Default: `fence`. */
  readonly attribute?: string;
  /** Make the item where there is none. Default: false. */
  readonly create?: boolean;
}

/**
 * Updates one item where its mark is not above the fence, and writes the fence with it, in one conditional `UpdateItem`: half the price of a transaction. Answers
 * `missing` where there is no such item and `create` was not asked for. The mark of an item that is deleted, or that its TTL ends, is gone with it.
 *
 * @throws StaleFenceError nothing was written
 * @throws OutcomeUnknownError the SDK has sent it twice, and a newer fence came in between
 * @throws InvalidArgumentError; errors of the SDK are thrown as they are
 */
export async function updateFencedItem(
  client: Pick<DynamoDBClient, 'updateItem' | 'getItem'>,
  { table, key, set, fence, attribute = 'fence', create = false }: FencedItemUpdate,
): Promise<'updated' | 'missing'> {
  checkedWrite({ resource: '', fence });
  const keyNames = Object.keys(key);
  const columns = Object.entries(set).filter(([name]) => name !== attribute);
  if (keyNames.length === 0) throw new InvalidArgumentError('key names no attribute: say which item is meant');
  const sets = columns.map((_, i) => `#a${i} = :a${i}`);
  const exists = create ? '' : 'attribute_exists(#key) AND ';
  const input = {
    TableName: table,
    Key: key,
    UpdateExpression: `SET ${[...sets, '#fence = :fence'].join(', ')}`,
    ConditionExpression: `${exists}(attribute_not_exists(#fence) OR #fence <= :fence)`,
    ExpressionAttributeNames: {
      '#fence': attribute,
      ...(create ? {} : { '#key': keyNames[0] ?? '' }),
      ...Object.fromEntries(columns.map(([name], i) => [`#a${i}`, name])),
    },
    ExpressionAttributeValues: {
      ':fence': { N: String(fence) },
      ...Object.fromEntries(columns.map(([, value], i) => [`:a${i}`, value])),
    },
  };
  // An item may appear between the two calls.
  for (let tries = 1; ; tries++) {
    try {
      await client.updateItem(input);
      return 'updated';
    } catch (error) {
      if (!isNamed(error, 'ConditionalCheckFailedException')) throw error;
      const { Item: item } = await client.getItem({ TableName: table, Key: key, ConsistentRead: true });
      const mark = numberIn(item, attribute);
      if (mark !== undefined && mark > fence) throw late(error, table, key, fence, mark);
      if (item === undefined || tries === 5) return 'missing';
    }
  }
}

function late(error: unknown, table: string, key: Attributes, fence: bigint, mark: bigint): Error {
  const resource = `${table} ${JSON.stringify(key)}`;
  const stale = staleFence({ sink: 'dynamodb', resource, fence, mark }, { cause: error });
  if (!wasResent(error)) return stale;
  const message = `dynamodb: the SDK has sent the write to ${resource} more than once, and fence ${mark} came in between: fence ${fence} may or may not have been written before; look, and stop`;
  return new OutcomeUnknownError(message, { cause: stale });
}
