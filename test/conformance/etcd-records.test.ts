import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { etcdRecords } from '../../src/backends/etcd/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';

describe.skipIf(etcdIsMissing)('etcd', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  runRecordsConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    { name: 'etcd', open: () => etcdRecords({ grpc, endpoints: cluster.endpoints }), close: () => cluster.stop() },
  );
});
