import { script } from '../../../redis/scripts/script.js';
import { base, burying, tombstones, waking } from './common.js';

export const revokeScript = script(
  'revoke',
  `
-- Ends a hold of up to a round, and remembers for its owner who did it. Wakes who waits. Another library's lock is of round 0.
-- KEYS  1 the lock
-- ARGV  1 who ends it, as the holder is told, 2 round; '' to end nothing, 3 the one owner whose hold may be ended; '' for any, 4 id of this call
-- reply {now in ms, holders that were ended, round of the holder or -1}; where nothing was to be ended, the holder instead of them
local K = KEYS[1]
${base}
${tombstones}
${burying}
${waking}
-- A copy of a call that is done: told the same.
local told = ARGV[2] ~= '' and redis.pcall('HGET', Y, ARGV[4])
if type(told) == 'string' then return {int(nowMs), cjson.decode(told), '-1'} end
local v = redis.pcall('GET', K)
if not v then return {int(nowMs), {}, '-1'} end
local text = type(v) == 'string' and v or ''
local holder = {'exclusive', text, call('PTTL', K)}
local owner = string.match(text, '^{"holdfast":1,"owner":"([^"]+)","first":"')
local round = owner and string.match(text, '^{"holdfast":1,"owner":"[^"]+","first":"%d+","last":"%d+","round":(%d+)') or '0'
if ARGV[2] == '' then return {int(nowMs), {holder}, round} end
if tonumber(round) > tonumber(ARGV[2]) or (ARGV[3] ~= '' and ARGV[3] ~= owner) then return {int(nowMs), {}, round} end
-- First what a full server allows: after that it allows the rest of the script too.
call('DEL', K)
if owner then bury(owner, nil, ARGV[1]) end
bury(ARGV[4], nil, cjson.encode({holder}))
wake()
return {int(nowMs), {holder}, round}
`,
  [],
);
