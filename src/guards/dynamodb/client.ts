import { InvalidArgumentError } from '../../core/errors.js';

// The part of `@aws-sdk/client-dynamodb` (3.x) that is called, with raw attribute values. The package is not imported.

/** As the SDK has them: `{ S: 'text' }`, `{ N: '7' }`, … */
export type AttributeValue =
  | { readonly S: string }
  | { readonly N: string }
  | { readonly B: Uint8Array }
  | { readonly BOOL: boolean }
  | { readonly NULL: true }
  | { readonly SS: string[] }
  | { readonly NS: string[] }
  | { readonly L: AttributeValue[] }
  | { readonly M: Record<string, AttributeValue> };

export type Attributes = Record<string, AttributeValue>;

interface Expressions {
  readonly TableName: string;
  readonly ExpressionAttributeNames?: Record<string, string>;
  readonly ExpressionAttributeValues?: Attributes;
  readonly ReturnValuesOnConditionCheckFailure?: 'ALL_OLD' | 'NONE';
}

export interface Put extends Expressions {
  readonly Item: Attributes;
  readonly ConditionExpression?: string;
}

export interface Update extends Expressions {
  readonly Key: Attributes;
  readonly UpdateExpression: string;
  readonly ConditionExpression?: string;
}

export interface Delete extends Expressions {
  readonly Key: Attributes;
  readonly ConditionExpression?: string;
}

export interface ConditionCheck extends Expressions {
  readonly Key: Attributes;
  readonly ConditionExpression: string;
}

/** One of them, as `TransactWriteItems` takes them. */
export interface TransactItem {
  readonly Put?: Put;
  readonly Update?: Update;
  readonly Delete?: Delete;
  readonly ConditionCheck?: ConditionCheck;
}

/** The aggregated client: `new DynamoDB({ … })`. */
export interface DynamoDBClient {
  transactWriteItems(input: { TransactItems: TransactItem[]; ClientRequestToken: string }): Promise<object>;
  updateItem(input: Update): Promise<object>;
  getItem(input: { TableName: string; Key: Attributes; ConsistentRead: boolean }): Promise<{ Item?: object | undefined }>;
  describeTimeToLive(input: { TableName: string }): Promise<{
    TimeToLiveDescription?: { TimeToLiveStatus?: string | undefined; AttributeName?: string | undefined } | undefined;
  }>;
  createTable(input: {
    TableName: string;
    AttributeDefinitions: { AttributeName: string; AttributeType: 'S' }[];
    KeySchema: { AttributeName: string; KeyType: 'HASH' }[];
    BillingMode: 'PAY_PER_REQUEST';
  }): Promise<object>;
  describeTable(input: { TableName: string }): Promise<{ Table?: { TableStatus?: string | undefined } | undefined }>;
}

/** @throws InvalidArgumentError */
export function checkedClient(client: DynamoDBClient): DynamoDBClient {
  const needed = ['transactWriteItems', 'updateItem', 'getItem'] as const;
  if (needed.every((method) => typeof Object(client)[method] === 'function')) return client;
  throw new InvalidArgumentError(
    'dynamodbGuard() needs the aggregated client of the AWS SDK 3: new DynamoDB({ … }) of @aws-sdk/client-dynamodb',
  );
}

/** An error of the SDK, as far as it is looked at. */
interface SdkError {
  readonly name?: string;
  readonly $fault?: 'client' | 'server';
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly CancellationReasons?: readonly { readonly Code?: string; readonly Item?: object }[];
  readonly Item?: object;
}

export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return names.includes((error as SdkError | undefined)?.name ?? '');
}

/** Whether the SDK had sent it before, so that an earlier copy may have been done. */
export function wasResent(error: unknown): boolean {
  return ((error as SdkError | undefined)?.$metadata?.attempts ?? 1) > 1;
}

/** The service said no. */
export function isRefusal(error: unknown): boolean {
  const { $fault, $metadata } = Object(error) as SdkError;
  const status = $metadata?.httpStatusCode ?? 0;
  return $fault === 'client' && status >= 400 && status < 500 && !wasResent(error);
}

/** Why each item of a transaction was not written. */
export function reasonsOf(error: unknown): readonly { readonly Code?: string; readonly Item?: object }[] {
  return (isNamed(error, 'TransactionCanceledException') ? (error as SdkError).CancellationReasons : undefined) ?? [];
}

/** The number in an attribute of what stands there. */
export function numberIn(item: object | undefined, attribute: string): bigint | undefined {
  const value = (item as Record<string, { N?: string } | undefined> | undefined)?.[attribute]?.N;
  return value === undefined ? undefined : BigInt(value);
}

export function itemOf(error: unknown): object | undefined {
  return (error as SdkError | undefined)?.Item;
}
