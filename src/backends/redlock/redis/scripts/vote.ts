import { script } from '../../../redis/scripts/script.js';
import { base, burying, fencing, lateness, reading, standing, tombstones, waking } from './common.js';

/**
 * A proposal further ahead of this node's clock than that, or than half the grace, is not followed: one wrong clock must not carry all
 * fences away, nor further than the clocks of nodes come that have lost everything and sit out their grace.
 */
const proposalAheadMsMax = 10_000;

/**
 * A node that knows the last fence of a name follows a proposal that its clock has passed by no more than that: requests differ in
 * their way, and nodes that each mint a fence of their own would cost a second round. One that knows none may have forgotten it:
 * its clock is then all that keeps it above what was granted before.
 */
const proposalLateMsMax = 1_000;

export const voteScript = script(
  'vote',
  `
-- Votes for an owner: the name is then its here, with fences above all that this node knows. Idempotent by owner.
-- KEYS  1 the lock, 2 the node's record
-- ARGV  1 owner, 2 TTL in ms, 3 rest of the record, 4 how long the fence is kept, in ms, 5 number of fences,
--       6 first fence proposed, in us, 7 round, 8 run_id that the client has joined, 9 channel to wake it on, or '' or none,
--       10 why the holder is ended, as it is told; or none. One of a later round is not ended
-- reply {state, ms until it votes, now in us}; where it votes, then also:
--       'yes', first fence, last fence, owner, holders ended  |  'held', holder  |  'ended'
--       In the usual case, a yes that follows the proposal and ends nobody, it is one text of few words, which costs both sides
--       a tenth of such a list: owner, first fence, seconds and microseconds of the time
local K, N, owner = KEYS[1], KEYS[2], ARGV[1]
local fences, proposal, round, channel, why = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[9] or '', ARGV[10]
${base}
${standing}
${fencing}
${tombstones}
local state, votesIn = standing(ARGV[8])
if state ~= 'votes' then return {state, int(votesIn), nowUs} end
if tonumber(ARGV[2]) > tonumber(past[4] or 0) then call('HSET', N, 'ttl', ARGV[2]) end

-- The usual case, in which nothing of anybody is here, goes without all that stands in such blocks.
local v = false
if call('EXISTS', K, E) > 0 then
  ${reading}
  ${lateness}
  v = read()
  local first, last, hasRound, at = mine(v)
  if first then
    call('SET', K, value(first, last, math.max(round, hasRound), string.sub(v, at)), 'PX', ARGV[2])
    return {state, 0, nowUs, 'yes', first, last, owner, {}}
  end
  if isEnded(owner, round) then return {state, 0, nowUs, 'ended'} end
end
local previous, toWhom, toRound = lastFence()
if not previous then return toWhom end
-- Its own grant was the last, and is over: a late copy.
if toWhom == owner and round <= toRound then return {state, 0, nowUs, 'ended'} end

local ended = {}
if v then
  ${waking}
  local holder = {'exclusive', v, call('PTTL', K)}
  -- Of several thieves at once the last has all nodes in the end, in whichever order they come; a late one robs nobody who came after it.
  local theirs = tonumber(string.match(v, '^{"holdfast":1,"owner":"[^"]+","first":"%d+","last":"%d+","round":(%d+)') or 0)
  if not why or theirs > round then
    if channel ~= '' then
      call('ZADD', X, 'NX', int(nowMs), channel)
      call('PEXPIRE', X, TOMBSTONE_MS)
    end
    return {state, 0, nowUs, 'held', holder}
  end
  ${burying}
  ended[1] = holder
  local robbed = string.match(v, '^{"holdfast":1,"owner":"([^"]+)","first":"')
  if robbed then bury(robbed, nil, why) end
  call('DEL', K)
end
if proposal > nowUs + 1000 * math.min(${proposalAheadMsMax}, tonumber(past[3] or 0) / 2) then proposal = 0 end
-- Numbers are written anew only where they are others: to format one costs as much as to look a key up.
local first, last = ARGV[6], ARGV[6]
local lateUsMax = previous > 0 and ${1_000 * proposalLateMsMax} or 0
local follows = proposal > previous and proposal >= nowUs - lateUsMax
if not follows then
  proposal = math.max(previous + 1, nowUs)
  first = int(proposal)
  last = first
end
local ms = string.sub(clock[2], 1, 3)
if #clock[2] < 6 then ms = string.sub(1000000 + clock[2], 2, 4) end
if fences > 1 then last = int(proposal + fences - 1) end
-- The fence first: a script that ends halfway has then granted nothing.
storeFence(last, ARGV[7], ARGV[4])
call('SET', K, '{"holdfast":1,"owner":"' .. owner .. '","first":"' .. first .. '","last":"' .. last .. '","round":' .. ARGV[7]
  .. ',"sinceMs":' .. clock[1] .. ms .. ARGV[3], 'PX', ARGV[2])
if channel ~= '' then call('ZREM', '{' .. K .. '}:wake', channel) end
if follows and not v then return owner .. ' ' .. first .. ' ' .. clock[1] .. ' ' .. clock[2] end
return {state, 0, nowUs, 'yes', first, last, owner, ended}
`,
  [],
);
