import * as commands from '@aws-sdk/client-dynamodb';
import { describe } from 'vitest';
import { conformanceCaseIds } from '../../src/testkit/index.js';
import { conforms } from '../support/dynamodb-conformance.js';
import { clientConfig, dynaliteInMemory, dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';

/** What goes through the core of this repository, or asks for much of the same, is the same on each of them. */
const slow = conformanceCaseIds.filter((id) => /^(?:names|loss|close|weblocks|fences\/rise-over-ten|renew\/thousand)/.test(id));
const skip = dynamodbLocalIsMissing ? [] : [{ reason: 'slow, and run on DynamoDB Local', cases: slow }];

/** Keeps back what stands in the way of a write (`ReturnValuesOnConditionCheckFailure`), as some stand-ins do. */
describe('dynalite', () => conforms(dynaliteInMemory, (server) => server.client(), skip));

describe.skipIf(dynamodbLocalIsMissing)('DynamoDB Local', () => {
  conforms(dynamodbLocal, (server) => ({ client: new commands.DynamoDBClient(clientConfig(server.port)), commands }));
});
