import { afterAll, beforeAll, describe, it } from 'vitest';
import { type DynamoDBClient, dynamodb } from '../../src/backends/dynamodb/index.js';
import { runConformance } from '../../src/testkit/index.js';
import { DynamoDBServer, type Kind } from './dynamodb-server.js';

/**
 * The conformance suite on a server of its own.
 *
 * @param together whether the server is fast enough for several cases at once: scans of a large table take dynalite so long that
 * leases of a second are lost meanwhile
 */
export function conforms(kind: Kind, clientOf: (server: DynamoDBServer) => DynamoDBClient, together = false): void {
  let server: DynamoDBServer;
  beforeAll(async () => {
    server = await DynamoDBServer.start(kind);
    await server.makeTable();
  });
  runConformance(
    { describe, it, after: afterAll, concurrently: together ? describe.concurrent : describe },
    {
      name: `dynamodb (${kind.name})`,
      open: () => dynamodb(clientOf(server)),
      async forgetEverything() {
        await server.dropTable();
        await server.makeTable();
      },
      close: () => server.stop(),
    },
  );
}
