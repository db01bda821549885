import type { Reporter, TestModule } from 'vitest/node';
import { consulIsMissing } from './consul-server.js';
import { dynamodbLocalIsMissing } from './dynamodb-server.js';
import { hostsAreMissing } from './hosts.js';
import { s3IsMissing } from './s3-server.js';
import { smallDiskIsMissing } from './small-disk.js';

const leftOut: readonly { readonly missing: boolean; readonly of: RegExp; readonly what: string }[] = [
  {
    missing: dynamodbLocalIsMissing,
    of: /dynamodb/,
    what: 'the tests on DynamoDB Local. They need Java 17 and what "node scripts/dynamodb-local.mjs" fetches; those on dynalite did run.',
  },
  {
    missing: s3IsMissing,
    of: /guards\/s3/,
    what: 'the tests of the guard of S3. They need what "node scripts/s3-server.mjs" builds with Go.',
  },
  {
    missing: consulIsMissing,
    of: /consul/,
    what: 'the tests on a Consul agent. They need one in CONSUL_BIN or in the path, or what "node scripts/consul-agent.mjs" builds with Go; those on what stands for it did run.',
  },
  {
    missing: hostsAreMissing,
    of: /etcd\/faults\/partition/,
    what: 'the tests on a network that is cut. They need root, and "ip": apt-get install iproute2.',
  },
  {
    missing: smallDiskIsMissing,
    of: /full-disk|bad-stores/,
    what: 'the tests on a full disk. They need root, who can mount a small one.',
  },
];

/** Says at the very end, and by name, what was left out although no test asked for it: what cannot be had everywhere. */
export default class NotRun implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const { missing, of, what } of leftOut) {
      if (missing && modules.some(({ moduleId }) => of.test(moduleId))) console.warn(`NOT RUN: ${what}`);
    }
  }
}
