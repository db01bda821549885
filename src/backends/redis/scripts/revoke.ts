import { base, ending, granting, holdHead, lateness, queue, siblings } from './common.js';
import { script } from './script.js';

export const revokeScript = script(
  'revoke',
  `
-- Ends every hold. With an heir, grants to it in the same step; one that was abandoned robs nobody.
-- KEYS  1 the lock
-- ARGV  1 who ends it, as the holder is told, 2 id of this call, 3 the fence of which a hold must be there, or '';
--       with an heir the id is its owner, and also: 4 its mode, 5 TTL in ms, 6 number of fences, 7 rest of the record, 8 how long the fence is kept, in ms
-- reply {id, now in ms, holders that were ended, first fence, last fence}; no fences without a grant
local K, why, id, only, mode = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local owner = mode and id
local ttl, fences, rest, retention = tonumber(ARGV[5] or 0), tonumber(ARGV[6] or 0), ARGV[7], ARGV[8]
${siblings}
${base}
${granting}
${lateness}
${queue}
${ending}
local v = read()
local reading = v == MARK and readers() or 0
if owner then
  local head = ${holdHead}
  if v and string.sub(v, 1, #head) == head then
    call('PEXPIRE', K, int(ttl))
    local first, last = string.match(v, '^(%d+)","last":"(%d+)"', #head + 1)
    return {id, int(nowMs), {}, first, last}
  end
  if reading > 0 and call('ZSCORE', H, owner) and mode == 'shared' then
    extendReader()
    local first, last = string.match(call('HGET', R, owner), '"first":"(%d+)","last":"(%d+)"')
    return {id, int(nowMs), {}, first, last}
  end
  if isEnded(owner) or wasLast(owner) then return {id, int(nowMs), {}} end
  -- A fence that cannot be read is found out before anybody is robbed.
  local first, damaged = mint()
  if not first then return damaged end
elseif isEnded(id) then
  -- A copy of a call that is done: told the same, and ends nobody.
  local told = redis.pcall('HGET', Y, id)
  return {id, int(nowMs), type(told) == 'string' and cjson.decode(told) or {}}
end

local ended = holders(v, 100000)
local isThere = only == ''
for _, holder in ipairs(isThere and {} or ended) do
  isThere = isThere or string.match(holder[2], '^{"holdfast":1,"owner":"[^"]+","first":"%d+","last":"(%d+)"') == only
end
if not isThere then ended = {} end
-- First what a full server allows: after that it allows the rest of the script too.
if #ended > 0 then call('DEL', K, H, R) end
for _, holder in ipairs(ended) do
  local o = string.match(holder[2], '^{"holdfast":1,"owner":"([^"]+)","first":"')
  if o then bury(o, why) end
end
-- Another copy of this call must not end whoever comes next.
if not owner then
  if #ended > 0 then
    bury(id, cjson.encode(ended))
    advance()
  else
    -- A full server has no room for it, and nothing was done that a copy could do again.
    pcall(bury, id)
  end
  return {id, int(nowMs), ended}
end
bury(id)

drop(Q, owner)
drop(S, owner)
call('DEL', K, H, R)
local granted = mode == 'shared' and grantShared(false) or grantExclusive()
if granted.err then return granted end
return {id, int(nowMs), ended, granted[2], granted[3]}
`,
);
