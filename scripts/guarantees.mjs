/**
 * Writes the table of docs/guarantees.md from what each store says of itself: its traits. Nothing is connected to.
 *
 *   node scripts/guarantees.mjs            writes it
 *   node scripts/guarantees.mjs --check    fails if the page says anything else
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { DynamoDB } from '@aws-sdk/client-dynamodb';
import * as grpc from '@grpc/grpc-js';
import { consul } from 'holdfast/consul';
import { dynamodb } from 'holdfast/dynamodb';
import { etcd } from 'holdfast/etcd';
import { memory } from 'holdfast/memory';
import { postgres } from 'holdfast/postgres';
import { redis } from 'holdfast/redis';
import { redlock } from 'holdfast/redlock';
import { sqlite } from 'holdfast/sqlite';
import { zookeeper } from 'holdfast/zookeeper';
import { Redis } from 'ioredis';
import pg from 'pg';

const page = fileURLToPath(new URL('../docs/guarantees.md', import.meta.url));
const [begin, end] = ['<!-- stores: begin -->', '<!-- stores: end -->'];

const ioredis = () => new Redis({ lazyConnect: true });
const nowhere = () => {
  throw new Error('nothing is connected to');
};

/** Every store, as its page shows it. */
function stores(folder) {
  return {
    memory: memory(),
    sqlite: sqlite(path.join(folder, 'locks.db')),
    redis: redis(ioredis()),
    redlock: redlock([ioredis(), ioredis(), ioredis(), ioredis(), ioredis()]),
    postgres: postgres(new pg.Pool()),
    etcd: etcd({ grpc, endpoints: ['127.0.0.1:2379'] }),
    zookeeper: zookeeper(nowhere),
    consul: consul({ addresses: ['http://127.0.0.1:8500'] }),
    dynamodb: dynamodb(new DynamoDB({ region: 'eu-central-1' })),
  };
}

function waiting({ queue, push, pollMs }) {
  const how = queue ? 'in order' : 'in any order';
  return push ? `${how}, woken` : `${how}, looks every ${pollMs} ms at the latest`;
}

function row([name, { traits }]) {
  const { guarantee, fenceSource, shared, fencesPerGrant, ttlMs } = traits;
  const ttl = `${ttlMs.min / 1_000} s to ${ttlMs.max / 1_000} s`;
  const cells = [
    `[${name}](backends/${name}.md)`,
    guarantee,
    fenceSource,
    waiting(traits),
    shared ? 'yes' : 'no',
    fencesPerGrant,
    ttl,
  ];
  return `| ${cells.join(' | ')} |`;
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-guarantees-'));
const all = stores(folder);
const head = ['store', 'exclusion', 'fences', 'waiting', 'shared mode', 'turns per grant, at most', 'TTL'];
const lines = [head, head.map(() => '---')].map((cells) => `| ${cells.join(' | ')} |`);
const table = [...lines, ...Object.entries(all).map(row)].join('\n');
for (const store of Object.values(all)) await store.close();
rmSync(folder, { recursive: true, force: true });

const text = readFileSync(page, 'utf8');
const [from, to] = [text.indexOf(begin), text.indexOf(end)];
if (from < 0 || to < from) throw new Error(`docs/guarantees.md lacks "${begin}" and "${end}"`);
const next = `${text.slice(0, from + begin.length)}\n\n${table}\n\n${text.slice(to)}`;
if (next === text) process.exit(0);
if (process.argv.includes('--check')) {
  console.error('the table of docs/guarantees.md is not what the stores say of themselves: node scripts/guarantees.mjs');
  process.exit(1);
}
writeFileSync(page, next);
process.exit(0);
