import { script } from '../../../redis/scripts/script.js';
import { base, fencing, reading, standing } from './common.js';

export const confirmScript = script(
  'confirm',
  `
-- Writes back the fences that a majority agrees on.
-- KEYS  1 the lock, 2 the node's record
-- ARGV  1 owner, 2 round, 3 first fence, 4 last fence, 5 how long the fence is kept, in ms, 6 run_id that the client has joined
-- reply {state, ms until it votes, now in us}; where it votes, then also 'confirmed',
--       'absent' if the owner does not hold here, or 'superseded' if it does by a later round; and the owner
local K, N, owner, round = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
${base}
${standing}
${reading}
${fencing}
local state, votesIn = standing(ARGV[6])
if state ~= 'votes' then return {state, int(votesIn), nowUs} end
local v = read()
local first, _, hasRound, at = mine(v)
if not first then return {state, 0, nowUs, 'absent', owner} end
-- A later round has fences of its own.
if round < hasRound then return {state, 0, nowUs, 'superseded', owner} end
local previous, damaged = lastFence()
if not previous then return damaged end
storeFence(int(math.max(previous, tonumber(ARGV[4]))), ARGV[2], ARGV[5])
call('SET', K, value(ARGV[3], ARGV[4], round, string.sub(v, at)), 'KEEPTTL')
return {state, 0, nowUs, 'confirmed', owner}
`,
  [],
);
