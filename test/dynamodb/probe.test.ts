import { describe, expect, it } from 'vitest';
import { dynamodb } from '../../src/backends/dynamodb/index.js';
import { thrownBy } from '../support/waits.js';
import { Scene } from './support.js';

interface Facts {
  readonly table?: object;
  readonly ttl?: object;
  readonly recovery?: string;
}

const healthy = {
  TableStatus: 'ACTIVE',
  KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
  BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
  ProvisionedThroughput: { ReadCapacityUnits: 0, WriteCapacityUnits: 0 },
  DeletionProtectionEnabled: true,
};
const swept = { TimeToLiveStatus: 'ENABLED', AttributeName: 'expires_at' };

/** What a service says that cannot be had here. */
async function found({ table = {}, ttl = swept, recovery = 'DISABLED' }: Facts): Promise<string[]> {
  const never = async (): Promise<never> => {
    throw new Error('a probe writes nothing');
  };
  const store = dynamodb({
    getItem: never,
    updateItem: never,
    scan: never,
    describeTable: async () => ({ Table: { ...healthy, ...table } }),
    describeTimeToLive: async () => ({ TimeToLiveDescription: ttl }),
    describeContinuousBackups: async () => ({
      ContinuousBackupsDescription: { PointInTimeRecoveryDescription: { PointInTimeRecoveryStatus: recovery } },
    }),
    createTable: never,
    updateTimeToLive: never,
  });
  const findings = await store.probe();
  for (const { what, why, fix } of findings) for (const text of [what, why, fix]) expect(text).not.toBe('');
  return findings.map(({ severity, what }) => `${severity}: ${what}`);
}

describe('the probe', () => {
  it('has nothing to say of a table as it should be', async () => {
    expect(await found({})).toEqual([]);
  });

  it.each([
    [
      { Replicas: [{ RegionName: 'us-east-1' }], GlobalTableVersion: '2019.11.21' },
      /^critical: this is a global table .* us-east-1/,
    ],
    [{ KeySchema: [{ AttributeName: 'id' }, { AttributeName: 'name' }] }, /^critical: the key of "holdfast" is id, name/],
    [{ TableStatus: 'INACCESSIBLE_ENCRYPTION_CREDENTIALS' }, /^critical: the table "holdfast" is INACCESSIBLE/],
    [
      { BillingModeSummary: undefined, ProvisionedThroughput: { ReadCapacityUnits: 5, WriteCapacityUnits: 2 } },
      /^warning: .* 2 writes and 5 reads/,
    ],
    [{ DeletionProtectionEnabled: false }, /^info: .* may be deleted/],
  ])('of a table: %j', async (table, said) => {
    expect(await found({ table })).toEqual([expect.stringMatching(said)]);
  });

  it('of a global table with strong consistency: nothing', async () => {
    expect(await found({ table: { Replicas: [{ RegionName: 'us-east-1' }], MultiRegionConsistency: 'STRONG' } })).toEqual([]);
  });

  it.each([
    [{ TimeToLiveStatus: 'DISABLED' }, /^info: the table has no TTL attribute/],
    [{ TimeToLiveStatus: 'ENABLED', AttributeName: 'fence' }, /^critical: the TTL attribute of the table is fence/],
    [{ TimeToLiveStatus: 'ENABLING', AttributeName: 'renewed_ms' }, /^critical: /],
    [{ TimeToLiveStatus: 'ENABLED', AttributeName: 'ttl' }, /^warning: the TTL attribute of the table is ttl/],
  ])('of its TTL attribute: %j', async (ttl, said) => {
    expect(await found({ ttl })).toEqual([expect.stringMatching(said)]);
  });

  it('of its backups', async () => {
    expect(await found({ recovery: 'ENABLED' })).toEqual([expect.stringMatching(/^info: point-in-time recovery is on/)]);
  });
});

describe('the probe of a real table', () => {
  const scene = new Scene();

  it('says what could not be asked, and goes on', async () => {
    const findings = await scene.store().probe();
    expect(findings.map(({ what }) => what)).toEqual(
      expect.arrayContaining(['the table has no TTL attribute', 'not everything could be asked: DescribeContinuousBackups']),
    );
  });

  it('says so where there is none', async () => {
    const missing = await scene.store({ dynamodb: { table: 'missing' } }).probe();
    expect(missing).toMatchObject([{ severity: 'critical', fix: expect.stringContaining('create-table --table-name missing') }]);
    expect(await scene.store({ dynamodb: { table: 'missing', create: true } }).probe()).toMatchObject([{ severity: 'info' }]);
  });

  it('does not take a refusal for an answer, nor silence', async () => {
    const front = await scene.front();
    void front.next('DescribeTable', { refuse: 'AccessDeniedException' });
    expect(await scene.store({ port: front.port }).probe()).toEqual(
      expect.arrayContaining([expect.objectContaining({ what: expect.stringContaining('DescribeTable, ') })]),
    );
    void front.next('DescribeTable', { refuse: 'InternalServerError', status: 500 });
    expect(await thrownBy(scene.store({ port: front.port, maxAttempts: 1 }).probe())).toMatchObject({
      code: 'BACKEND_UNAVAILABLE',
    });
  });
});
