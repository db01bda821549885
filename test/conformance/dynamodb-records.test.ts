import { afterAll, beforeAll, describe, it } from 'vitest';
import { dynamodbRecords } from '../../src/backends/dynamodb/index.js';
import { runRecordsConformance } from '../../src/testkit/index.js';
import {
  DynamoDBServer,
  dynaliteInMemory,
  dynamodbLocal,
  dynamodbLocalIsMissing,
  type Kind,
} from '../support/dynamodb-server.js';

function conforms(kind: Kind): void {
  let server: DynamoDBServer;
  beforeAll(async () => {
    server = await DynamoDBServer.start(kind);
    await server.makeTable();
  });
  afterAll(() => server?.stop());
  runRecordsConformance(
    { describe, it, after: afterAll, concurrently: describe.concurrent },
    { name: `dynamodb (${kind.name})`, open: () => dynamodbRecords(server.client(), { commandTimeoutMs: 10_000 }) },
  );
}

describe('dynalite', () => conforms(dynaliteInMemory));
describe.skipIf(dynamodbLocalIsMissing)('DynamoDB Local', () => conforms(dynamodbLocal));
