import { conforms } from '../support/dynamodb-conformance.js';
import { dynaliteInMemory } from '../support/dynamodb-server.js';

conforms(dynaliteInMemory, (server) => server.client());
