import { IdempotencyConfig, makeIdempotent } from '@aws-lambda-powertools/idempotency';
import { CachePersistenceLayer } from '@aws-lambda-powertools/idempotency/cache';
import express from 'express';
import { createClient } from 'redis6';
import { charge, serveAndAsk } from '../http.mjs';

/** Its client is node-redis; it signs the key alone, as it does where it is not told to validate the payload. */
export async function open({ port }) {
  const client = await createClient({ url: `redis://127.0.0.1:${port}` }).connect();
  const once = makeIdempotent(async ({ body }) => charge(body), {
    persistenceStore: new CachePersistenceLayer({ client }),
    config: new IdempotencyConfig({ eventKeyJmesPath: 'key', expiresAfterSeconds: 86_400 }),
  });
  const app = express();
  app.post('/charges', express.json(), async (request, response) => {
    response.status(201).json(await once({ key: request.get('idempotency-key'), body: request.body }));
  });
  return serveAndAsk(app, () => client.close());
}
