import express from 'express';
import { idempotent } from 'holdfast/idempotency';
import { expressIdempotency, keepRawBody } from 'holdfast/idempotency/express';
import { redisRecords } from 'holdfast/redis';
import { charge, serveAndAsk } from './http.mjs';

/** The same with either client. */
export function serveHoldfast(client, end) {
  const records = redisRecords(client);
  const operation = idempotent(records, { operation: 'charge' });
  const app = express();
  app.post('/charges', express.json({ verify: keepRawBody }), expressIdempotency(operation), (request, response) => {
    response.status(201).json(charge(request.body));
  });
  return serveAndAsk(app, async () => {
    await operation.close();
    await records.close();
    await end();
  });
}
