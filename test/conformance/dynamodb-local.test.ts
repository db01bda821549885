import { describe } from 'vitest';
import { conforms } from '../support/dynamodb-conformance.js';
import { dynamodbLocal, dynamodbLocalIsMissing } from '../support/dynamodb-server.js';

describe.skipIf(dynamodbLocalIsMissing)('DynamoDB Local', () => {
  conforms(dynamodbLocal, (server) => server.client(), true);
});
