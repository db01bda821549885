import { limits } from '../../../core/limits.js';
import { base, granting, holdHead, lateness, queue, siblings } from './common.js';
import { script } from './script.js';

/** How many readers a refusal shows. */
const holdersShown = 16;

/** The common cases stand first, before anything is defined that they do not need: its own hold, and a free name without a past. */
export const acquireScript = script(
  'acquire',
  `
-- Tries once. Takes or keeps a place in the queue if asked to. Idempotent by owner.
-- KEYS  1 the lock
-- ARGV  1 owner, 2 'exclusive' or 'shared', 3 TTL in ms, 4 number of fences, 5 '1' to queue, 6 rest of the record,
--       7 channel to wake it on, 8 how long the fence is kept, in ms
-- reply {1, first fence, last fence}
--       {0, 'held' | 'queued' | 'abandoned', places in front, ms until asking again may help or -1, now in ms, holders}
local K, owner = KEYS[1], ARGV[1]
local F = '{' .. K .. '}:fence'
local head = ${holdHead}
local value, fence = redis.pcall('GET', K), redis.pcall('GET', F)
if type(value) == 'string' and string.sub(value, 1, #head) == head then
  redis.call('PEXPIRE', K, ARGV[3])
  return {1, string.match(value, '^(%d+)","last":"(%d+)"', #head + 1)}
end
-- No past: nobody waits, nobody was ended, and the last grant of all was not the asker's own.
if not value and ARGV[2] == 'exclusive' and redis.call('EXISTS', '{' .. K .. '}:who', '{' .. K .. '}:ended') == 0 then
  local clock = redis.call('TIME')
  local first = clock[1] .. string.rep('0', 6 - #clock[2]) .. clock[2]
  local past = type(fence) == 'string' and string.match(fence, '^(%d+) ') or (not fence and '0')
  -- Texts of the same length compare as the numbers do. Whatever is not simply behind the clock takes the long way.
  if past and (past == '0' or (#past == #first and past < first and string.sub(fence, -#owner - 1) ~= ' ' .. owner)) then
    local last = ARGV[4] == '1' and first or string.format('%.0f', first + ARGV[4] - 1)
    redis.call('SET', K, head .. first .. '","last":"' .. last .. '","sinceMs":' .. string.sub(first, 1, -4) .. ARGV[6], 'PX', ARGV[3])
    redis.call('SET', F, last .. ' ' .. owner, 'PX', ARGV[8])
    return {1, first, last}
  end
end

local ttl, fences, rest, retention = tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[6], ARGV[8]
local shared = ARGV[2] == 'shared'
${siblings}
${base}
${granting}
${lateness}
${queue}
local mine = shared and S or Q
local v = read()
local reading = v == MARK and readers() or 0
if shared and reading > 0 and call('ZSCORE', H, owner) then
  extendReader()
  return {1, string.match(call('HGET', R, owner), '"first":"(%d+)","last":"(%d+)"')}
end
if isEnded(owner) or wasLast(owner) then return {0, 'abandoned', 0, -1, int(nowMs), {}} end

-- Places that nobody asks for any more must not keep anybody waiting.
local function prune(q)
  for _ = 1, 8 do
    local o = head(q)
    if not o or o == owner then return end
    local _, seen = place(o)
    if seen + PLACE_MS > nowMs then return end
    drop(q, o)
  end
end

if call('EXISTS', W) == 1 then
  prune(Q)
  prune(S)
end
if v == MARK and reading == 0 then
  -- Only kept for readers that may claim it.
  call('DEL', K)
  v = false
end

local at = tonumber(call('ZSCORE', mine, owner))
local free = not v
local go
if free then
  go = serve(owner, shared, at)
  if not go then v = read() end
elseif v == MARK and shared then
  local x, xAt = head(Q)
  go = not x or (at ~= nil and at < xAt)
else
  go = v == CLAIM .. owner .. '"}'
end
if go then
  if at then drop(mine, owner) end
  if not shared then return grantExclusive() end
  local granted = grantShared(v)
  if free then
    local _, xAt = head(Q)
    offerShared(xAt)
  end
  return granted
end

local held = v and not isClaim(v) and (v ~= MARK or (reading > 0 and not shared))
local ahead
if at then
  ahead = shared and 0 or call('ZRANK', Q, owner)
  ahead = ahead + call('ZCOUNT', shared and Q or S, '-inf', '(' .. int(at))
else
  ahead = call('ZCARD', Q) + (shared and 0 or call('ZCARD', S))
end

if ARGV[5] == '1' then
  local claim, seen, w = 0, 0, nil
  if at then claim, seen, w = place(owner) end
  -- A claim window that somebody else used counts for nothing.
  if claim > 0 and held then seen = 0 end
  if not w or seen + ${Math.floor(limits.placeMs / 3)} <= nowMs then
    if not at then
      local _, xAt = unpack(call('ZREVRANGE', Q, 0, 0, 'WITHSCORES'))
      local _, sAt = unpack(call('ZREVRANGE', S, 0, 0, 'WITHSCORES'))
      call('ZADD', mine, int(math.max(nowUs, (xAt or 0) + 1, (sAt or 0) + 1)), owner)
    end
    local since = w and string.match(w, '^%d+ %d+ (%d+) ') or int(nowMs)
    local window = held and 0 or claim
    call('HSET', W, owner, int(window) .. ' ' .. int(nowMs) .. ' ' .. since .. ' ' .. ARGV[7] .. ' ' .. rest)
    -- A place that was not asked for within PLACE_MS is void, and every living one is written again long before.
    for _, key in ipairs({Q, S, W}) do call('PEXPIRE', key, 2 * PLACE_MS) end
  end
end

-- Behind others, only a wake-up or the poll can help.
local retry = -1
if ahead == 0 or not held then
  local left = call('PTTL', K)
  if left >= 0 then retry = left end
end
return {0, held and 'held' or 'queued', ahead, retry, int(nowMs), held and holders(v, ${holdersShown}) or {}}
`,
);
