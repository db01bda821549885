import type { Reporter, TestModule } from 'vitest/node';
import { dynamodbLocalIsMissing } from './dynamodb-server.js';

/** Says at the very end, and by name, what was left out although no test asked for it: servers that cannot be had everywhere. */
export default class NotRun implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    if (!dynamodbLocalIsMissing || !modules.some(({ moduleId }) => /dynamodb/.test(moduleId))) return;
    console.warn(
      'NOT RUN: the tests on DynamoDB Local. They need Java 17 and what "node scripts/dynamodb-local.mjs" fetches; those on dynalite did run.',
    );
  }
}
