import { describe } from 'vitest';
import { conformsOnPostgres } from '../support/postgres-conformance.js';
import { postgresIsMissing } from '../support/postgres-server.js';

describe.skipIf(postgresIsMissing)('PostgreSQL through pg', () => conformsOnPostgres('pg'));
