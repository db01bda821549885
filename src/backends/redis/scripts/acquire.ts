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
-- ARGV  1 owner, 2 TTL in ms, 3 rest of the record, 4 how long the fence is kept, in ms,
--       5 'x' or 's' (exclusive or shared), number of fences, ' q ' or ' - ' (takes a place or not), channel to wake it on
-- reply '<last of the fences asked for> <owner>'; or, the long way and to an owner asking again: {1, first fence, last fence, owner}
--       {0, 'held' | 'queued' | 'abandoned', places in front, ms until asking again may help or -1, now in ms, holders}
local K, owner = KEYS[1], ARGV[1]
local head = ${holdHead}
local value = redis.pcall('GET', K)
if type(value) == 'string' and string.sub(value, 1, #head) == head then
  redis.call('PEXPIRE', K, ARGV[2])
  local first, last = string.match(value, '^(%d+)","last":"(%d+)"', #head + 1)
  return {1, first, last, owner}
end
if not value and string.byte(ARGV[5]) == 120 and redis.call('EXISTS', '{' .. K .. '}:who', '{' .. K .. '}:ended') == 0 then
  local fenceKey = '{' .. K .. '}:fence'
  local fence = redis.pcall('GET', fenceKey)
  local clock = redis.call('TIME')
  local us = clock[2]
  -- Microseconds as a text, compared as texts of one length: numbers would have to be printed.
  local first = clock[1] .. string.sub('000000', #us + 1) .. us
  local digits = type(fence) == 'string' and string.match(fence, '^(%d+) ')
  if #first == 16 and (not fence or (digits and #digits == 16 and digits < first and string.sub(fence, 18) ~= owner)) then
    local last = first
    local n = string.match(ARGV[5], '^x(%d+) ')
    if n ~= '1' then last = string.format('%.0f', first + n - 1) end
    -- The fence first: a script that ends halfway has then granted nothing.
    local past = last .. ' ' .. owner
    redis.call('SET', fenceKey, past, 'PX', ARGV[4])
    redis.call('SET', K, head .. first .. '","last":"' .. last .. '","sinceMs":' .. string.sub(first, 1, 13) .. ARGV[3], 'PX', ARGV[2])
    return past
  end
end

${siblings}
local mode, fences, enqueue, channel = string.match(ARGV[5], '^(.)(%d+) (.) (.*)$')
local ttl, rest, retention = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local shared = mode == 's'
fences = tonumber(fences)
${base}
${granting}
${lateness}
${queue}
local mine = shared and S or Q
local v = read()
local reading = v == MARK and readers() or 0
if shared and reading > 0 and call('ZSCORE', H, owner) then
  extendReader()
  local first, last = string.match(call('HGET', R, owner), '"first":"(%d+)","last":"(%d+)"')
  return {1, first, last, owner}
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

if isClaim(v) and call('PTTL', K) > CLAIM_MS then
  -- The clock was set back: the window must not last as long as that.
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

if enqueue == 'q' then
  local claim, seen, w = 0, 0, nil
  if at then claim, seen, w = place(owner) end
  -- A claim window that somebody else used counts for nothing.
  if claim > 0 and held then seen = 0 end
  if not w or seen > nowMs or seen + ${Math.floor(limits.placeMs / 3)} <= nowMs then
    if not at then
      local _, xAt = unpack(call('ZREVRANGE', Q, 0, 0, 'WITHSCORES'))
      local _, sAt = unpack(call('ZREVRANGE', S, 0, 0, 'WITHSCORES'))
      call('ZADD', mine, int(math.max(nowUs, (xAt or 0) + 1, (sAt or 0) + 1)), owner)
    end
    local since = w and string.match(w, '^%d+ %d+ (%d+) ') or int(nowMs)
    local window = held and 0 or claim
    call('HSET', W, owner, int(window) .. ' ' .. int(nowMs) .. ' ' .. since .. ' ' .. channel .. ' ' .. rest)
    -- A place that was not asked for within PLACE_MS is void, and every living one is written again long before.
    for _, key in ipairs({Q, S, W}) do call('PEXPIRE', key, 2 * PLACE_MS) end
  end
end

-- Behind others, only a wake-up or the poll can help.
local retry = -1
if ahead == 0 or not held then
  local left = call('PTTL', K)
  -- Free, and offered to nobody yet: more places were void than one call takes out.
  if left >= 0 then retry = left elseif left == -2 then retry = 0 end
end
return {0, held and 'held' or 'queued', ahead, retry, int(nowMs), held and holders(v, ${holdersShown}) or {}}
`,
);
