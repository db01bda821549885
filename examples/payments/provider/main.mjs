// The payment provider: a process of its own, somewhere else. It counts the charges that it really made, and it has bad days.
//
// With the guards on it is a sink: it remembers the highest Fencing-Token that it has seen for each order, and refuses older ones with 412.
import { join } from 'node:path';
import Fastify from 'fastify';
import { fastifyFences } from 'holdfast/guards/http';
import { sqliteRecords } from 'holdfast/sqlite';
import { tellParent } from '../tell-parent.mjs';
import { Charges } from './charges.mjs';
import { Moods } from './moods.mjs';

const { folder, guards, seed, faults } = JSON.parse(process.argv[2]);
const charges = new Charges(join(folder, 'charges.jsonl'));
const moods = new Moods(seed);
const app = Fastify({ forceCloseConnections: true });

// Checking the fence and making the charge must be one step: between them nobody may raise the mark and find no charge. So the
// provider does one thing at a time. A provider with a database would do both in one transaction.
let last = Promise.resolve();
function oneAtATime(work) {
  const turn = last.then(work);
  last = turn.catch(() => {});
  return turn;
}

const fences = fastifyFences(sqliteRecords(join(folder, 'marks.db')), { resource: ({ body }) => body.order });

app.post('/charges', async (request, reply) => {
  const mood = faults && request.headers['delivered-again'] === undefined ? moods.mood() : 'prompt';
  await moods.before(mood);
  if (mood === 'unavailable') return reply.code(503).send({ error: 'out of order, nothing was charged' });
  if (mood === 'declines') return reply.code(402).send({ error: 'the card was declined' });
  if (mood === 'delivered twice') deliverAgain(request);
  const charge = await oneAtATime(async () => {
    if (guards) await fences(request, reply);
    // Refused: the guard has answered.
    if (reply.sent) return undefined;
    return charges.make({ ...request.body, requestId: request.headers['request-id'], fence: request.headers['fencing-token'] });
  });
  if (charge === undefined) return reply;
  await moods.after(mood);
  return reply.code(201).send(charge);
});

/** Evidence for whoever must know: what was charged for an order. */
app.get('/charges', async ({ query }) => charges.of(query.order));

/** Where marks are shown and raised. Not for everyone: a real one stands behind an authentication. */
app.route({ method: ['GET', 'PUT'], url: '/marks', handler: (request, reply) => oneAtATime(() => fences.marks(request, reply)) });

function deliverAgain({ method, url, headers, body }) {
  setTimeout(() => app.inject({ method, url, headers: { ...headers, 'delivered-again': 'yes' }, payload: body }), 200);
}

await app.listen({ port: 0, host: '127.0.0.1' });
tellParent({ port: app.server.address().port });
