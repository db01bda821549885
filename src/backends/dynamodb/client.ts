import { InvalidArgumentError, NotSupportedError } from '../../core/errors.js';

// The part of `@aws-sdk/client-dynamodb` (3.x) that is called. The package is not imported: the application hands in its own client.

/** What is sent: texts and numbers. */
export type AttributeValue = { readonly S: string } | { readonly N: string };

/** What comes back; others than texts and numbers are none of ours. */
export type Item = Readonly<Record<string, { readonly S?: string | undefined; readonly N?: string | undefined }>>;

export type Key = Record<string, AttributeValue>;

export interface UpdateInput {
  readonly TableName: string;
  readonly Key: Key;
  readonly UpdateExpression: string;
  readonly ConditionExpression?: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
  readonly ReturnValues?: 'ALL_NEW';
  readonly ReturnValuesOnConditionCheckFailure?: 'ALL_OLD';
}

export interface ScanInput {
  readonly TableName: string;
  readonly ConsistentRead: boolean;
  readonly FilterExpression: string;
  readonly ExpressionAttributeNames: Record<string, string>;
  readonly ExpressionAttributeValues: Record<string, AttributeValue>;
  readonly ExclusiveStartKey?: Key;
}

export interface TableInput {
  readonly TableName: string;
}

export interface CreateTableInput extends TableInput {
  readonly AttributeDefinitions: { AttributeName: string; AttributeType: 'S' }[];
  readonly KeySchema: { AttributeName: string; KeyType: 'HASH' }[];
  readonly BillingMode: 'PAY_PER_REQUEST';
}

/** What `DescribeTable` tells, as far as it is looked at. */
export interface TableDescription {
  readonly TableStatus?: string | undefined;
  readonly TableArn?: string | undefined;
  readonly KeySchema?:
    | readonly { readonly AttributeName?: string | undefined; readonly KeyType?: string | undefined }[]
    | undefined;
  readonly BillingModeSummary?: { readonly BillingMode?: string | undefined } | undefined;
  readonly ProvisionedThroughput?:
    | { readonly ReadCapacityUnits?: number | undefined; readonly WriteCapacityUnits?: number | undefined }
    | undefined;
  readonly DeletionProtectionEnabled?: boolean | undefined;
  readonly GlobalTableVersion?: string | undefined;
  readonly MultiRegionConsistency?: string | undefined;
  readonly Replicas?: readonly { readonly RegionName?: string | undefined }[] | undefined;
}

export interface CallOptions {
  readonly abortSignal?: AbortSignal;
}

/** The aggregated client: `new DynamoDB({ … })`. */
export interface DynamoDBMethods {
  getItem(
    input: TableInput & { Key: Key; ConsistentRead: boolean },
    options?: CallOptions,
  ): Promise<{ Item?: object | undefined }>;
  updateItem(input: UpdateInput, options?: CallOptions): Promise<{ Attributes?: object | undefined }>;
  scan(input: ScanInput, options?: CallOptions): Promise<{ Items?: object[] | undefined; LastEvaluatedKey?: object | undefined }>;
  describeTable(input: TableInput, options?: CallOptions): Promise<{ Table?: TableDescription | undefined }>;
  describeTimeToLive(
    input: TableInput,
    options?: CallOptions,
  ): Promise<{
    TimeToLiveDescription?: { TimeToLiveStatus?: string | undefined; AttributeName?: string | undefined } | undefined;
  }>;
  describeContinuousBackups(
    input: TableInput,
    options?: CallOptions,
  ): Promise<{
    ContinuousBackupsDescription?:
      | { PointInTimeRecoveryDescription?: { PointInTimeRecoveryStatus?: string | undefined } | undefined }
      | undefined;
  }>;
  createTable(input: CreateTableInput, options?: CallOptions): Promise<unknown>;
  updateTimeToLive(
    input: TableInput & { TimeToLiveSpecification: { Enabled: boolean; AttributeName: string } },
    options?: CallOptions,
  ): Promise<unknown>;
}

type Command = new (input: never) => object;

/** The bare client, `new DynamoDBClient({ … })`, and the commands that it is sent: those of its package. */
export interface BareClient {
  readonly client: { send(command: never, options?: CallOptions): Promise<object> };
  readonly commands: {
    readonly GetItemCommand: Command;
    readonly UpdateItemCommand: Command;
    readonly ScanCommand: Command;
    /** Needed by `probe()` and `create: true` only, like those below. */
    readonly DescribeTableCommand?: Command;
    readonly DescribeTimeToLiveCommand?: Command;
    readonly DescribeContinuousBackupsCommand?: Command;
    readonly CreateTableCommand?: Command;
    readonly UpdateTimeToLiveCommand?: Command;
  };
}

export type DynamoDBClient = DynamoDBMethods | BareClient;

const needed = ['getItem', 'updateItem', 'scan'] as const;

/** A client of either kind, and what the package has learned of the service's clock. */
export interface Driver {
  readonly methods: DynamoDBMethods;
  /** The service's clock less ours, as the package has noted it; its versions differ in when they do. */
  clockOffsetMs(): number | undefined;
  close(): void;
}

/** @throws InvalidArgumentError */
export function driverOf(client: DynamoDBClient, close: () => void = () => {}): Driver {
  const shape = Object(client) as Partial<DynamoDBMethods & BareClient>;
  const bare = Object(shape.client) as BareClient['client'];
  const isBare = typeof bare.send === 'function' && typeof shape.commands === 'object';
  if (!isBare && !needed.every((method) => typeof shape[method] === 'function')) throw unknownClient(shape);
  const methods = isBare ? methodsOf(client as BareClient) : (client as DynamoDBMethods);
  return { methods, clockOffsetMs: () => offsetOf(isBare ? bare : client), close };
}

function unknownClient(shape: object): InvalidArgumentError {
  const isSend = typeof (shape as { send?: unknown }).send === 'function';
  const fix = isSend
    ? 'this client has no commands of its own: pass { client, commands } with import * as commands from "@aws-sdk/client-dynamodb"'
    : 'pass new DynamoDB(…) of @aws-sdk/client-dynamodb, or { client: new DynamoDBClient(…), commands } with the commands of that package';
  return new InvalidArgumentError(`dynamodb() needs a client of the AWS SDK 3: ${fix}`);
}

function offsetOf(client: object): number | undefined {
  const { config } = client as { config?: { systemClockOffset?: unknown } };
  const offsetMs = config?.systemClockOffset;
  return typeof offsetMs === 'number' && Number.isFinite(offsetMs) ? offsetMs : undefined;
}

function methodsOf({ client, commands }: BareClient): DynamoDBMethods {
  const via = (name: keyof BareClient['commands']) => {
    return async (input: object, options?: CallOptions): Promise<never> => {
      const CommandOf = commands[name];
      if (typeof CommandOf !== 'function') {
        throw new NotSupportedError(`commands has no ${name}: pass all of import * as commands from "@aws-sdk/client-dynamodb"`);
      }
      return (await client.send(new CommandOf(input as never) as never, options)) as never;
    };
  };
  for (const name of ['GetItemCommand', 'UpdateItemCommand', 'ScanCommand'] as const) {
    if (typeof commands[name] !== 'function') {
      throw new InvalidArgumentError(`commands has no ${name}: pass import * as commands from "@aws-sdk/client-dynamodb"`);
    }
  }
  return {
    getItem: via('GetItemCommand'),
    updateItem: via('UpdateItemCommand'),
    scan: via('ScanCommand'),
    describeTable: via('DescribeTableCommand'),
    describeTimeToLive: via('DescribeTimeToLiveCommand'),
    describeContinuousBackups: via('DescribeContinuousBackupsCommand'),
    createTable: via('CreateTableCommand'),
    updateTimeToLive: via('UpdateTimeToLiveCommand'),
  };
}
