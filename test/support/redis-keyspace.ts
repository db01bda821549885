import assert from 'node:assert/strict';
import type { RedisServer } from './redis-server.js';

/** What may be left when nobody holds or waits: the fences, the owners that must not come back, and records that are over; all for a time only. */
const mayStay = /^\{.*\}:(?:fence|ended|ended:why|record)$/s;

/** Fails if the server has any other key, or one that would stay for ever. */
export async function assertKeyspaceClean(server: RedisServer): Promise<void> {
  const left = await server.lines('EVAL', leftovers, '0');
  const bad = left.filter((line) => !mayStay.test(line.slice(line.indexOf(' ') + 1)) || line.startsWith('-1 '));
  assert.deepEqual(bad, [], 'nothing but fences, tombstones and records, each with a TTL, may be left in the keyspace');
}

/** Every key, with how long it stays: `<ms left> <key>`. */
export const leftovers = `
local found, cursor = {}, '0'
repeat
  local page = redis.call('SCAN', cursor, 'COUNT', 1000)
  cursor = page[1]
  for _, key in ipairs(page[2]) do found[#found + 1] = redis.call('PTTL', key) .. ' ' .. key end
until cursor == '0'
return table.concat(found, '\\n')`;
