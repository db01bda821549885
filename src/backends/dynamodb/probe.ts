import type { Finding } from '../../core/backend.js';
import { HoldfastError } from '../../core/errors.js';
import type { CallOptions, DynamoDBMethods, TableDescription } from './client.js';
import { createCommand, timeToLiveCommand } from './errors.js';
import type { Settings } from './options.js';
import type { Table } from './table.js';

/**
 * What could make this table unsafe. What the credentials may not ask, or a stand-in for DynamoDB does not know, is a finding of its own, and no
 * error. Clocks are not looked at: no lease depends on one.
 *
 * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError
 */
export async function findings(table: Table, { commandTimeoutMs, create }: Settings): Promise<readonly Finding[]> {
  const TableName = table.name;
  const unknown: string[] = [];
  const ask = async <T>(what: string, send: (methods: DynamoDBMethods, options: CallOptions) => Promise<T>) => {
    try {
      return await table.call(what, commandTimeoutMs, false, send);
    } catch (error) {
      if (!(error instanceof HoldfastError) || !error.permanent || isMissing(error)) throw error;
      unknown.push(what);
      return undefined;
    }
  };
  try {
    const described = (await ask('DescribeTable', (methods, options) => methods.describeTable({ TableName }, options)))?.Table;
    const ttl = await ask('DescribeTimeToLive', (methods, options) => methods.describeTimeToLive({ TableName }, options));
    const backups = await ask('DescribeContinuousBackups', (methods, options) =>
      methods.describeContinuousBackups({ TableName }, options),
    );
    const recovery = backups?.ContinuousBackupsDescription?.PointInTimeRecoveryDescription?.PointInTimeRecoveryStatus;
    return [
      ...(described === undefined ? [] : aboutTable(TableName, described)),
      ...(ttl === undefined ? [] : aboutTimeToLive(TableName, ttl.TimeToLiveDescription ?? {})),
      ...(recovery === 'ENABLED' ? [restores] : []),
      ...(unknown.length === 0 ? [] : [notAsked(unknown)]),
    ];
  } catch (error) {
    if (!isMissing(error)) throw error;
    return [missing(TableName, create)];
  }
}

function isMissing(error: unknown): boolean {
  return ((error as HoldfastError).cause as { name?: string } | undefined)?.name === 'ResourceNotFoundException';
}

function missing(table: string, create: boolean): Finding {
  return {
    severity: create ? 'info' : 'critical',
    what: `there is no table "${table}" in this account and region`,
    why: create ? 'the first ask makes it; until it is there nothing is granted' : 'nothing can be granted',
    fix: createCommand(table),
  };
}

function aboutTable(name: string, table: TableDescription): readonly Finding[] {
  return [...key(name, table), ...status(name, table), ...regions(table), ...capacity(name, table), ...protection(name, table)];
}

function key(name: string, { KeySchema = [] }: TableDescription): readonly Finding[] {
  if (KeySchema.length === 1 && KeySchema[0]?.AttributeName === 'name') return [];
  const found = KeySchema.map(({ AttributeName }) => AttributeName).join(', ');
  return [
    {
      severity: 'critical',
      what: `the key of "${name}" is ${found}`,
      why: 'Holdfast needs the string "name" as the only key: every call is refused',
      fix: `use a table of its own: ${createCommand('NEW-TABLE')}`,
    },
  ];
}

function status(name: string, { TableStatus = 'ACTIVE' }: TableDescription): readonly Finding[] {
  if (TableStatus === 'ACTIVE' || TableStatus === 'UPDATING') return [];
  return [
    {
      severity: 'critical',
      what: `the table "${name}" is ${TableStatus}`,
      why: 'nothing is granted or renewed meanwhile',
      fix: `aws dynamodb wait table-exists --table-name ${name}; if it is archived or its key is gone, restore it or use another one`,
    },
  ];
}

/** Replication between regions is asynchronous, unless the table was made with strong consistency. */
function regions({ Replicas = [], MultiRegionConsistency, GlobalTableVersion }: TableDescription): readonly Finding[] {
  if (Replicas.length === 0 || MultiRegionConsistency === 'STRONG') return [];
  const others = Replicas.map(({ RegionName }) => RegionName).join(', ');
  return [
    {
      severity: 'critical',
      what: `this is a global table (${GlobalTableVersion ?? 'of an old version'}) with eventual consistency, also in ${others}`,
      why: 'two regions can grant the same name at the same time, and the later write then replaces the earlier one, with its fence: exclusion holds only while all processes use one region',
      fix: 'use a table of one region, or make one with --multi-region-consistency STRONG; or let every process name the same region',
    },
  ];
}

function capacity(name: string, { BillingModeSummary, ProvisionedThroughput }: TableDescription): readonly Finding[] {
  const { ReadCapacityUnits = 0, WriteCapacityUnits = 0 } = ProvisionedThroughput ?? {};
  if (BillingModeSummary?.BillingMode === 'PAY_PER_REQUEST' || WriteCapacityUnits === 0) return [];
  return [
    {
      severity: 'warning',
      what: `the table "${name}" has a fixed capacity: ${WriteCapacityUnits} writes and ${ReadCapacityUnits} reads a second`,
      why: 'beyond it renewals are throttled like everything else, and leases expire while their holders work; a lease of 10 s needs a write every three seconds',
      fix: `aws dynamodb update-table --table-name ${name} --billing-mode PAY_PER_REQUEST`,
    },
  ];
}

function protection(name: string, { DeletionProtectionEnabled }: TableDescription): readonly Finding[] {
  if (DeletionProtectionEnabled !== false) return [];
  return [
    {
      severity: 'info',
      what: `the table "${name}" may be deleted at any time`,
      why: 'whoever deletes it ends every lease; holders are told "forgotten" at their next renewal',
      fix: `aws dynamodb update-table --table-name ${name} --deletion-protection-enabled`,
    },
  ];
}

function aboutTimeToLive(
  table: string,
  { TimeToLiveStatus = 'DISABLED', AttributeName }: { TimeToLiveStatus?: string | undefined; AttributeName?: string | undefined },
): readonly Finding[] {
  if (TimeToLiveStatus.startsWith('DISABL')) {
    return [
      {
        severity: 'info',
        what: 'the table has no TTL attribute',
        why: 'names that nobody uses any more stay for ever, and are read with every listing; no lease depends on it',
        fix: timeToLiveCommand(table),
      },
    ];
  }
  if (AttributeName === 'expires_at' || AttributeName === undefined) return [];
  return [
    {
      severity: timesOfLeases.has(AttributeName) ? 'critical' : 'warning',
      what: `the TTL attribute of the table is ${AttributeName}`,
      why: timesOfLeases.has(AttributeName)
        ? 'this attribute is no end in seconds: DynamoDB takes it for one, and deletes leases that are held, or records that are in use'
        : 'names that nobody uses any more stay for ever; and an item that somebody gives this attribute is deleted, held or not',
      fix: `aws dynamodb update-time-to-live --table-name ${table} --time-to-live-specification Enabled=false,AttributeName=${AttributeName}, and an hour later ${timeToLiveCommand(table)}`,
    },
  ];
}

/** Numbers in items of ours that are none of their ends. */
const timesOfLeases: ReadonlySet<string> = new Set([
  'ttl_ms',
  'since_ms',
  'renewed_ms',
  'fence',
  'fence_first',
  'version',
  'renewals',
  'ends_ms',
  'written_ms',
]);

const restores: Finding = {
  severity: 'info',
  what: 'point-in-time recovery is on',
  why: 'a table that is restored has the leases of then: each is taken over after a TTL, as if its holder had crashed; fences go on from the clock; records go back to their state of then',
  fix: 'stop all processes before they are pointed at a restored table',
};

function notAsked(unknown: readonly string[]): Finding {
  const actions = unknown.map((action) => `dynamodb:${action}`).join(', ');
  return {
    severity: 'info',
    what: `not everything could be asked: ${unknown.join(', ')}`,
    why: 'the key, the regions and the capacity of the table, its TTL attribute or its backups were not looked at',
    fix: `allow ${actions}; a stand-in for DynamoDB may not know them`,
  };
}
