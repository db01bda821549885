import { script } from '../../../redis/scripts/script.js';
import { base, reading } from './common.js';

export const copyScript = script(
  'copy',
  `
-- Reads a hold, for a node that lost it. Changes nothing.
-- KEYS  1 the lock
-- ARGV  1 owner
-- reply {owner}; where it holds, then also first fence, last fence, round, the lock's value, ms left
local K, owner = KEYS[1], ARGV[1]
${base}
${reading}
local v = read()
local first, last, round = mine(v)
if not first then return {owner} end
return {owner, first, last, int(round), v, call('PTTL', K)}
`,
  [],
);
