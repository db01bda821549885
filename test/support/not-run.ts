import type { Reporter, TestModule } from 'vitest/node';
import { consulIsMissing } from './consul-server.js';
import { dynamodbLocalIsMissing } from './dynamodb-server.js';

/** Says at the very end, and by name, what was left out although no test asked for it: servers that cannot be had everywhere. */
export default class NotRun implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const ran = (pattern: RegExp) => modules.some(({ moduleId }) => pattern.test(moduleId));
    if (dynamodbLocalIsMissing && ran(/dynamodb/)) {
      console.warn(
        'NOT RUN: the tests on DynamoDB Local. They need Java 17 and what "node scripts/dynamodb-local.mjs" fetches; those on dynalite did run.',
      );
    }
    if (consulIsMissing && ran(/consul/)) {
      console.warn(
        'NOT RUN: the tests on a Consul agent. They need one in CONSUL_BIN or in the path, or what "node scripts/consul-agent.mjs" builds with Go; those on what stands for it did run.',
      );
    }
  }
}
