import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type ConsensusLog, type ConsensusLogOptions, consensusLog } from '../../../src/backends/etcd/index.js';
import { loadDriver } from '../../../src/backends/sqlite/driver.js';
import { type SqliteRecords, sqliteRecords } from '../../../src/backends/sqlite/index.js';
import type { LogEntry } from '../../../src/core/request-log.js';
import { type Idempotent, idempotent } from '../../../src/idempotency/index.js';
import { type Evidence, type Reconciler, reconciler, answerOf } from '../../../src/idempotency/reconcile/index.js';
import { parseRecord } from '../../../src/idempotency/record.js';
import { recordKeyOf } from '../../../src/idempotency/signature.js';
import { FaultProxy } from '../../../src/testkit/faults/proxy.js';
import { EtcdCluster, etcdIsMissing } from '../../support/etcd-server.js';
import { thrownBy, until } from '../../support/waits.js';

const zones = { m0: 'zone a', m1: 'zone b', m2: 'zone c' };
/** Where no answer comes. */
const briefly = { commandTimeoutMs: 1_500 };
const noMajority = { code: expect.stringMatching(/^(?:OUTCOME_UNKNOWN|BACKEND_UNAVAILABLE)$/) as string };

describe.skipIf(etcdIsMissing)('a consensus log on three members', { timeout: 60_000 }, () => {
  let cluster: EtcdCluster;
  let folder: string;
  let records: SqliteRecords;
  const logs: ConsensusLog[] = [];
  /** What members reach each other through. */
  const between: FaultProxy[] = [];
  let orders = 0;
  let terms = 0n;

  beforeAll(async () => {
    folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-log-'));
    records = sqliteRecords(path.join(folder, 'records.db'));
    cluster = await EtcdCluster.start(3, [], async (peerPort) => {
      const proxy = await FaultProxy.start(peerPort);
      between.push(proxy);
      return proxy.port;
    });
  });
  afterEach(async () => {
    await majorityBack();
    await Promise.all(logs.splice(0).map((log) => log.close()));
  });
  afterAll(async () => {
    await records.close();
    await cluster.stop();
    await Promise.all(between.map((proxy) => proxy.close()));
    rmSync(folder, { recursive: true, force: true });
  });

  async function open(options: Partial<ConsensusLogOptions> = {}): Promise<ConsensusLog> {
    const log = await consensusLog({ grpc, endpoints: cluster.endpoints, zones, commandTimeoutMs: 5_000, ...options });
    logs.push(log);
    return log;
  }

  const losses = {
    'the others stand still, and the one that led takes requests': async () => {
      const leader = await cluster.leader();
      for (const member of cluster.members) if (member !== leader) member.signal('SIGSTOP');
    },
    'all go on, and none hears another': async () => {
      for (const proxy of between) proxy.silence();
    },
  };

  async function majorityBack(): Promise<void> {
    for (const member of cluster.members) member.signal('SIGCONT');
    for (const proxy of between) if (proxy.silent) proxy.speak();
    await cluster.ready();
  }

  function newOrder() {
    orders += 1;
    const [operation, key] = [`charge ${orders}`, `order ${orders}`];
    const recordKey = recordKeyOf({ namespace: 'default', tenant: undefined, operation, key });
    const record = async () => {
      const stored = await records.get(recordKey);
      return stored === undefined ? undefined : parseRecord(stored.value);
    };
    return { operation, key, recordKey, record };
  }

  /** A term of its own. */
  function leading() {
    terms += 1n;
    return { term: terms, signal: new AbortController().signal, assertLeading: () => {} };
  }

  async function entriesOf(log: ConsensusLog, recordKey: string): Promise<readonly LogEntry[]> {
    const turn = await log.take({ recordKey, term: 2n ** 62n, fence: 2n ** 62n, by: 'the test' });
    return turn?.entries ?? [];
  }

  it('is refused at start where a zone has a majority, or a member is not mapped', async () => {
    const options = { grpc, endpoints: cluster.endpoints };
    const two = await thrownBy(consensusLog({ ...options, zones: { m0: 'a', m1: 'a', m2: 'b' } }));
    expect(two).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('2 of 3 voting members are in zone "a"'),
    });
    const missing = await thrownBy(consensusLog({ ...options, zones: { m0: 'a', m1: 'b' } }));
    expect(missing).toMatchObject({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('"m2"') });
  });

  it('has STARTED before the handler runs, and DONE before the record says so; a replay adds nothing', async () => {
    const log = await open();
    const { operation, key, recordKey, record } = newOrder();
    const atStart: string[] = [];
    const atEnd: (string | undefined)[] = [];
    const noted = {
      ...log,
      started: (entry: Parameters<ConsensusLog['started']>[0]) => log.started(entry),
      take: (claim: Parameters<ConsensusLog['take']>[0]) => log.take(claim),
      retire: (isOver: Parameters<ConsensusLog['retire']>[0]) => log.retire(isOver),
      async done(entry: Parameters<ConsensusLog['done']>[0]) {
        await log.done(entry);
        atEnd.push((await record())?.state);
      },
    };
    const charges = idempotent(records, { operation, log: noted });
    const handler = async () => {
      const said = await cluster.first.ctl('get', '--prefix', 'holdfast/%log/', '--keys-only');
      atStart.push(...said.split('\n').filter((line) => line.endsWith('/started')));
      return { charged: 100 };
    };
    expect(await charges.run({ key }, handler)).toMatchObject({ outcome: 'executed' });
    expect(await charges.run({ key }, handler)).toMatchObject({ outcome: 'replayed' });
    expect(atStart).toHaveLength(1);
    expect(atEnd).toEqual(['PROCESSING']);
    const entries = await entriesOf(log, recordKey);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'done', 'taken']);
    const positions = entries.map(({ position }) => position);
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(entries[1]).toMatchObject({ outcome: 'completed', attempt: 1, inTransaction: false });
    expect(answerOf((entries[1] as { answer?: string }).answer)).toEqual({ charged: 100 });
    await charges.close();
  });

  it('an entry that is sent twice is there once; an older term can append nothing after a newer has taken the request', async () => {
    const log = await open();
    const { recordKey } = newOrder();
    const entry = { recordKey, attempt: 1, fence: 10n, node: 'n' };
    await log.started(entry);
    await log.started(entry);
    const older = await log.take({ recordKey, term: 1n, fence: 11n, by: 'older' });
    expect(older?.entries.map(({ kind }) => kind)).toEqual(['started', 'taken']);
    const newer = await (await open()).take({ recordKey, term: 2n, fence: 12n, by: 'newer' });
    expect(await older?.resolved('failed', undefined)).toBe(false);
    expect(await log.take({ recordKey, term: 1n, fence: 13n, by: 'older' })).toBeUndefined();
    expect(await newer?.resolved('completed', 'it was there')).toBe(true);
    const kinds = (await entriesOf(log, recordKey)).map((one) => [one.kind, 'by' in one ? one.by : '']);
    expect(kinds).toEqual([
      ['started', ''],
      ['taken', 'older'],
      ['taken', 'newer'],
      ['resolved', 'newer'],
      ['taken', 'the test'],
    ]);
  });

  describe.each(Object.entries(losses))('without a majority: %s', (_, withoutMajority) => {
    it('it is not opened: the list of members may be an old one', async () => {
      await withoutMajority();
      expect(await thrownBy(open(briefly))).toMatchObject(noMajority);
    });

    it('no handler runs, and nobody is told of a success', async () => {
      const { operation, key, record } = newOrder();
      const charges = idempotent(records, { operation, log: await open(briefly) });
      let executions = 0;
      const handler = () => {
        executions += 1;
        return 'charged';
      };
      await withoutMajority();
      expect(await thrownBy(charges.run({ key }, handler))).toMatchObject(noMajority);
      expect(executions).toBe(0);
      // Nothing was executed, so it may be tried again.
      expect((await record())?.state).toBe('PENDING');
      await majorityBack();
      expect(await charges.run({ key }, handler)).toMatchObject({ outcome: 'executed', attempt: 2 });
      expect(executions).toBe(1);
      await charges.close();
    });

    describe('the majority goes while the handler runs', () => {
      let log: ConsensusLog;
      let order: ReturnType<typeof newOrder>;
      let charges: Idempotent;
      let executions: number;
      let job: Reconciler;
      let failures: unknown[];
      let evidence: Evidence | undefined;

      async function lose(): Promise<void> {
        log = await open(briefly);
        order = newOrder();
        executions = 0;
        failures = [];
        evidence = undefined;
        charges = idempotent(records, { operation: order.operation, log });
        const handler = async () => {
          executions += 1;
          await withoutMajority();
          return { charged: 100 };
        };
        expect(await thrownBy(charges.run({ key: order.key }, handler))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
        job = reconciler(records, {
          operation: order.operation,
          sinks: [],
          log,
          resolve(_, found) {
            evidence = found;
            return { verdict: 'completed', value: answerOf(found.late[0]?.answer) };
          },
        });
        job.on('failed', ({ error }) => failures.push(error));
      }

      it('no 2xx leaves, nothing is executed again, and nothing is resolved until it is back', async () => {
        await lose();
        const again = () => charges.run({ key: order.key }, () => ++executions);
        expect(await again()).toMatchObject({ outcome: 'frozen' });
        expect(await job.pass(leading())).toMatchObject({ completed: 0, notResolved: 1 });
        expect(failures[0]).toMatchObject(noMajority);
        expect(evidence).toBeUndefined();
        expect(await order.record()).toMatchObject({ state: 'FROZEN', evidence: [{ outcome: 'completed' }] });
        await majorityBack();
        expect(await job.pass(leading())).toMatchObject({ completed: 1 });
        expect(evidence?.log?.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['started', 'taken']));
        expect(await again()).toMatchObject({ outcome: 'replayed', state: 'completed', value: { charged: 100 } });
        expect(executions).toBe(1);
        const kinds = (await entriesOf(log, order.recordKey)).map(({ kind }) => kind);
        expect(kinds.slice(-2)).toEqual(['resolved', 'taken']);
        await charges.close();
      });
    });
  });

  it('the leader is cut off from those who go on: requests do, through another member', async () => {
    const { operation, key, recordKey } = newOrder();
    const leader = await cluster.leader();
    const others = cluster.members.filter((member) => member !== leader);
    const log = await open({ endpoints: [leader, ...others].map(({ address }) => address), commandTimeoutMs: 4_000 });
    const charges = idempotent(records, { operation, log });
    leader.signal('SIGSTOP');
    await cluster.leader(others);
    expect(await charges.run({ key }, () => 'charged')).toMatchObject({ outcome: 'executed' });
    leader.signal('SIGCONT');
    expect((await entriesOf(log, recordKey)).map(({ kind }) => kind)).toEqual(['started', 'done', 'taken']);
    await charges.close();
  });

  it('completed in a transaction: DONE comes before it, and proves nothing where it was rolled back', async () => {
    const log = await open();
    const { operation, key, recordKey, record } = newOrder();
    const charges = idempotent(records, { operation, log });
    const connection = loadDriver().open(path.join(folder, 'records.db'));
    const charge = (end: 'COMMIT' | 'ROLLBACK') =>
      charges.run({ key }, async (turn) => {
        turn.effect('charge');
        connection.exec('BEGIN IMMEDIATE');
        await turn.completeIn(connection, 'charged');
        connection.exec(end);
      });
    expect(await charge('ROLLBACK')).toMatchObject({ outcome: 'frozen' });
    const job = reconciler(records, {
      operation,
      sinks: [],
      log,
      resolve: ({ fence }) => ({ verdict: 'retry', proof: { source: 'the table', notFound: 'the row', fence } }),
    });
    expect(await job.pass(leading())).toMatchObject({ retried: 1, notResolved: 0 });
    expect(await charge('COMMIT')).toMatchObject({ outcome: 'executed', value: 'charged', attempt: 2 });
    expect((await record())?.state).toBe('COMPLETED');
    const entries = await entriesOf(log, recordKey);
    expect(entries.map(({ kind }) => kind)).toEqual(['started', 'done', 'taken', 'resolved', 'started', 'done', 'taken']);
    expect(entries.filter(({ kind }) => kind === 'done')).toMatchObject([
      { inTransaction: true },
      { inTransaction: true, attempt: 2 },
    ]);
    connection.close();
    await charges.close();
  });

  it('is full at its bound: then no handler runs, until a reconciler has let go of what is over', async () => {
    const prefix = 'bounded/';
    const log = await open({ prefix, entriesMax: 2, keepMs: 1_000 });
    const { operation } = newOrder();
    const charges = idempotent(records, { operation, log });
    let executions = 0;
    let sent = 0;
    const charge = () => {
      sent += 1;
      return charges.run({ key: `one ${sent}` }, () => ++executions).catch((error: unknown) => error);
    };
    const isFull = async () => ((await charge()) as { full?: boolean }).full === true;
    expect(await charge()).toMatchObject({ outcome: 'executed' });
    // The number is looked at once a second.
    await until(isFull, 'it is full');
    const before = executions;
    expect(await charge()).toMatchObject({ code: 'BACKEND_UNAVAILABLE', full: true });
    expect(executions).toBe(before);
    const job = reconciler(records, { operation, sinks: [], log, resolve: () => ({ verdict: 'unknown' }) });
    await job.pass(leading());
    await until(async () => !(await isFull()), 'there is room again', 20_000);
    await charges.close();
  });

  it('goes on letting go when somebody has revoked the lease for what is let go of', async () => {
    const log = await open({ prefix: 'revoked/', keepMs: 3_600_000 });
    const start = (recordKey: string) => log.started({ recordKey, attempt: 1, fence: 1n, node: 'here' });
    await start('a');
    expect(await log.retire(async () => true)).toBe(1);
    for (const id of (await cluster.first.ctl('lease', 'list')).split('\n').filter((line) => /^[0-9a-f]+$/.test(line)))
      await cluster.first.ctl('lease', 'revoke', id);
    await start('b');
    expect(await log.retire(async () => true)).toBe(1);
  });

  it('lets go only of requests whose outcome is written', async () => {
    const prefix = 'kept/';
    const log = await open({ prefix, keepMs: 1_000 });
    const { operation, key } = newOrder();
    const charges = idempotent(records, { operation, log, leaseTtlMs: 60_000 });
    let finish = () => {};
    const running = charges.run({ key }, () => new Promise<void>((resolve) => (finish = resolve)));
    await charges.run({ key: 'other' }, () => 'done');
    const job = reconciler(records, { operation, sinks: [], log, resolve: () => ({ verdict: 'unknown' }) });
    await job.pass(leading());
    const keys = async () =>
      (await cluster.first.ctl('get', '--prefix', `${prefix}%log/`, '--keys-only')).split('\n').filter(Boolean);
    await until(async () => (await keys()).length === 1, 'only the entry of the running one is left', 20_000);
    expect((await keys())[0]).toMatch(/started$/);
    finish();
    await running;
    await charges.close();
  });
});
