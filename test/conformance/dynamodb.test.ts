import * as commands from '@aws-sdk/client-dynamodb';
import { describe } from 'vitest';
import { conformanceCaseIds } from '../../src/testkit/index.js';
import { conforms } from '../support/dynamodb-conformance.js';
import { clientConfig, dynaliteInMemory, dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';

/** Where a refused write is followed by a look at what stood in its way: here both servers differ. */
const looks = /^(?:acquire|renew|release|abandon|revoke)\//;
/** Of those, the ones that mostly wait for a TTL, which passes on any server. */
const waits = [
  'acquire/every-command-may-arrive-twice',
  'acquire/asking-again-renews-the-ttl',
  'acquire/stale-holder-gets-no-fence',
  'acquire/not-grantable-before-the-ttl-and-soon-after',
  'renew/keeps-a-hold-beyond-its-ttl',
  'renew/stale-holder-cannot-renew',
  'renew/expired-creates-nothing',
  'release/stale-holder-cannot-release',
  'release/expired-is-absent-and-no-throw',
  'abandon/outlasts-the-ttl',
];
const elsewhere = conformanceCaseIds.filter((id) => !looks.test(id) || waits.includes(id));
const skip = dynamodbLocalIsMissing ? [] : [{ reason: 'run on DynamoDB Local', cases: elsewhere }];
const thousand = { reason: 'run on dynalite, which is several times as fast', cases: ['renew/thousand-at-once-in-order'] };

/** Keeps back what stands in the way of a write (`ReturnValuesOnConditionCheckFailure`), as some stand-ins do. */
describe('dynalite', () => conforms(dynaliteInMemory, (server) => server.client(), skip));

describe.skipIf(dynamodbLocalIsMissing)('DynamoDB Local', () => {
  conforms(dynamodbLocal, (server) => ({ client: new commands.DynamoDBClient(clientConfig(server.port)), commands }), [thousand]);
});
