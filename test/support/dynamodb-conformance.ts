import { afterAll, beforeAll, describe, it } from 'vitest';
import { type DynamoDBClient, dynamodb } from '../../src/backends/dynamodb/index.js';
import { type Fixture, runConformance } from '../../src/testkit/index.js';
import { DynamoDBServer, type Kind } from './dynamodb-server.js';

/**
 * The conformance suite on a server of its own, one case after the other: scans of a large table take these servers so
 * long that leases of a second would be lost beside them.
 */
export function conforms(kind: Kind, clientOf: (server: DynamoDBServer) => DynamoDBClient, skip: Fixture['skip'] = []): void {
  let server: DynamoDBServer;
  beforeAll(async () => {
    server = await DynamoDBServer.start(kind);
    await server.makeTable();
  });
  runConformance(
    { describe, it, after: afterAll },
    {
      name: `dynamodb (${kind.name})`,
      open: () => dynamodb(clientOf(server)),
      async forgetEverything() {
        await server.dropTable();
        await server.makeTable();
      },
      close: () => server.stop(),
      skip,
    },
  );
}
