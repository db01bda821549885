import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { etcd } from '../../src/backends/etcd/index.js';
import { runConformance } from '../../src/testkit/index.js';
import { EtcdCluster, etcdIsMissing } from '../support/etcd-server.js';

describe.skipIf(etcdIsMissing)('etcd', () => {
  let cluster: EtcdCluster;
  beforeAll(async () => {
    cluster = await EtcdCluster.start();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    {
      name: 'etcd',
      open: () => etcd({ grpc, endpoints: cluster.endpoints }),
      async forgetEverything() {
        await cluster.first.kill();
        cluster.first.forget();
        cluster.first.launch();
        await cluster.first.ready();
      },
      close: () => cluster.stop(),
    },
  );
});
