import * as commands from '@aws-sdk/client-dynamodb';
import { describe } from 'vitest';
import { conformanceCaseIds } from '../../src/testkit/index.js';
import { conforms } from '../support/dynamodb-conformance.js';
import { clientConfig, dynaliteInMemory, dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';

/** Where a refused write is followed by a look at what stood in its way: here both servers differ. */
const looks = /^(?:acquire|renew|release|abandon|revoke)\//;
const elsewhere = conformanceCaseIds.filter((id) => !looks.test(id));
const skip = dynamodbLocalIsMissing ? [] : [{ reason: 'run on DynamoDB Local', cases: elsewhere }];
const thousand = { reason: 'run on dynalite, which is several times as fast', cases: ['renew/thousand-at-once-in-order'] };

/** Keeps back what stands in the way of a write (`ReturnValuesOnConditionCheckFailure`), as some stand-ins do. */
describe('dynalite', () => conforms(dynaliteInMemory, (server) => server.client(), skip));

describe.skipIf(dynamodbLocalIsMissing)('DynamoDB Local', () => {
  conforms(dynamodbLocal, (server) => ({ client: new commands.DynamoDBClient(clientConfig(server.port)), commands }), [thousand]);
});
