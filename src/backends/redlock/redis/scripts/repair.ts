import { script } from '../../../redis/scripts/script.js';
import { base, fencing, lateness, reading, standing, tombstones } from './common.js';

export const repairScript = script(
  'repair',
  `
-- Takes in again a hold that a majority has renewed, and that this node has lost.
-- KEYS  1 the lock, 2 the node's record
-- ARGV  1 owner, 2 round, 3 last fence, 4 the lock's value, 5 until when by this node's clock, in ms, 6 its TTL in ms,
--       7 how long the fence is kept, in ms, 8 run_id that the client has joined
-- reply {state, ms until it votes, now in us}; where it votes, then also 1 or 0
local K, N, owner, round = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
${base}
${standing}
${reading}
${fencing}
${tombstones}
${lateness}
local state, votesIn = standing(ARGV[8])
if state ~= 'votes' then return {state, int(votesIn), nowUs} end
-- However late this arrives, the hold ends when it would have ended.
local left = math.min(ARGV[5] - nowMs, tonumber(ARGV[6]))
if left < 1 or read() or isEnded(owner, round) then return {state, 0, nowUs, 0} end
local previous, damaged = lastFence()
if not previous then return damaged end
storeFence(int(math.max(previous, tonumber(ARGV[3]))), ARGV[2], ARGV[7])
call('SET', K, ARGV[4], 'PX', int(left))
if tonumber(ARGV[6]) > tonumber(past[4] or 0) then call('HSET', N, 'ttl', ARGV[6]) end
return {state, 0, nowUs, 1}
`,
  [],
);
