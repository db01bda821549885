import assert from 'node:assert/strict';
import type { DynamoDB } from '@aws-sdk/client-dynamodb';

const TableName = 'sink';
const Key = { name: { S: 'sink' } };

/** What the work writes to: an item that refuses an older fence, and remembers every write that came. */
export class Sink {
  readonly #client: DynamoDB;

  constructor(client: DynamoDB) {
    this.#client = client;
  }

  /** False if a newer fence was here before. */
  async write(fence: bigint, turn: string): Promise<boolean> {
    try {
      await this.#client.updateItem({
        TableName,
        Key,
        UpdateExpression: 'SET fence = :fence, accepted = list_append(if_not_exists(accepted, :none), :this)',
        ConditionExpression: 'attribute_not_exists(fence) OR fence <= :fence',
        ExpressionAttributeValues: {
          ':fence': { N: String(fence) },
          ':none': { L: [] },
          ':this': { L: [{ S: `${fence} ${turn}` }] },
        },
      });
      return true;
    } catch (error) {
      if ((error as Error).name === 'ConditionalCheckFailedException') return false;
      throw error;
    }
  }

  /** The accepted writes of two turns never interleave, and no fence was given out twice. Answers how many turns wrote. */
  async check(): Promise<number> {
    const { Item } = await this.#client.getItem({ TableName, Key, ConsistentRead: true });
    const writes = (Item?.['accepted']?.L ?? []).map(({ S = '' }) => S);
    const runs = writes.filter((write, i) => writes[i - 1] !== write).map((write) => BigInt(write.split(' ')[0] ?? ''));
    for (const [i, fence] of runs.entries()) {
      assert.ok(i === 0 || fence > (runs[i - 1] ?? 0n), `the writes of two turns interleave, or share the fence ${fence}`);
    }
    return runs.length;
  }

  async clear(): Promise<void> {
    await this.#client.deleteItem({ TableName, Key });
  }
}
