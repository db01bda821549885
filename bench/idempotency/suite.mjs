import { createRequire } from 'node:module';
import { against, ownFigure } from '../lib/best.mjs';
import { factor } from '../lib/figures.mjs';
import { machine as redisMachine, start as startRedis } from '../redis/suite.mjs';

const none = {
  key: 'none',
  label: 'no middleware (floor)',
  module: new URL('./peers/none.mjs', import.meta.url).href,
  settings: 'Express 5, `express.json()`, and a handler that answers a small JSON document',
};

const holdfasts = [
  {
    key: 'holdfast-ioredis',
    label: 'Holdfast, ioredis',
    module: new URL('./peers/holdfast-ioredis.mjs', import.meta.url).href,
    settings:
      '`expressIdempotency(idempotent(redisRecords(client), { operation }))`, nothing else set; the whole request is signed',
  },
  {
    key: 'holdfast-node-redis',
    label: 'Holdfast, node-redis',
    module: new URL('./peers/holdfast-node-redis.mjs', import.meta.url).href,
    settings: 'the same with the other client',
  },
];

const powertools = {
  key: 'powertools',
  label: '@aws-lambda-powertools/idempotency 2.35.0',
  module: new URL('./peers/powertools.mjs', import.meta.url).href,
  settings:
    '`makeIdempotent` over its cache layer with node-redis, called in the handler; the key alone is hashed, no payload validation, no lease',
};

export const title = 'idempotency over HTTP: Express 5, one Redis server with nothing on disk, client and server in one process';
export const contenders = [none, ...holdfasts, powertools];
export const works = ['fresh', 'replay'];

const roundTrips = (work, limit) => ({
  says: `${work}: at most ${limit} round ${limit === 1 ? 'trip' : 'trips'} to the store`,
  measure: ownFigure(work, holdfasts, (row) => row.roundTripsPerRequest),
  // The last requests of a round are counted by the server a moment apart.
  met: (value) => value <= limit * 1.001,
  show: factor,
});

const atLeast = (work, limit) => ({
  says: `${work}: at least ${limit} × the requests/s of powertools`,
  measure: against(work, holdfasts, [powertools]),
  met: (value) => value >= limit,
});

export const targets = [roundTrips('fresh', 2), roundTrips('replay', 1), atLeast('fresh', 1), atLeast('replay', 1)];

export async function start(options) {
  const server = await startRedis(options);
  return { ...server, options: { ...server.options, meter: new URL('./meter.mjs', import.meta.url).href } };
}

export function machine() {
  const require = createRequire(import.meta.url);
  return `${redisMachine()}, express ${require('express/package.json').version}, redis ${require('redis6/package.json').version} here`;
}
