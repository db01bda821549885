import { limits } from '../../../core/limits.js';

// Fragments of Lua that scripts are put together from. Keys other than the lock itself are derived from it inside the
// script: they share its slot by their hash tag, and the common case then sends and touches as few as it can.
// Time is the server's. Numbers that stand for microseconds stay below 2^53 and are printed with %.0f, never by tostring.

/** What an exclusive hold's value begins with: compared byte by byte, so that no JSON is parsed on the way. */
export const holdHead = `'{"holdfast":1,"owner":"' .. owner .. '","first":"'`;

/** The lock's siblings. */
export const siblings = `
local tag = '{' .. K .. '}'
local F = tag .. ':fence'         -- "<last fence> <owner it was granted to>"
local Q = tag .. ':queue'         -- sorted set: writers that wait
local S = tag .. ':queue:shared'  -- sorted set: readers that wait; one sequence of scores with Q
local W = tag .. ':who'           -- hash: who waits, "<claim until> <seen> <since> <channel> <rest of the record>"; there while anybody waits
local H = tag .. ':shared'        -- sorted set: readers that hold, by the end of their hold
local R = tag .. ':shared:who'    -- hash: their records
local E = tag .. ':ended'         -- sorted set: owners that must not come back, by the end of that
local Y = tag .. ':ended:why'     -- hash: who ended them, where that was said
`;

/** The state of the lock and its holders. */
export const base = `
local call = redis.call
local MARK = '{"holdfast":1,"shared":true}'
local CLAIM = '{"holdfast":1,"claim":"'
local clock = call('TIME')
local nowUs = clock[1] * 1000000 + clock[2]
local nowMs = math.floor(nowUs / 1000)

local function int(n)
  return string.format('%.0f', n)
end

-- The lock's value; false: free; '': a key of another type, hence somebody else's.
local function read()
  local v = redis.pcall('GET', K)
  if type(v) ~= 'table' then return v end
  if string.find(v.err, 'WRONGTYPE', 1, true) then return '' end
  return call('GET', K)
end

local function isClaim(v)
  return v and string.sub(v, 1, #CLAIM) == CLAIM
end

-- Takes out the readers whose time is over; how many are left.
local function readers()
  local over = call('ZRANGEBYSCORE', H, '-inf', int(nowMs), 'LIMIT', 0, 1000)
  if #over > 0 then
    call('ZREM', H, unpack(over))
    call('HDEL', R, unpack(over))
  end
  return call('ZCARD', H)
end

-- Holders as {mode, record or a foreign value, ms left}; -1: no end.
local function holders(v, max)
  local found = {}
  if v == MARK then
    local range = call('ZRANGE', H, 0, max - 1, 'WITHSCORES')
    for i = 1, #range, 2 do
      found[#found + 1] = {'shared', call('HGET', R, range[i]) or '', int(tonumber(range[i + 1]) - nowMs)}
    end
  elseif v and not isClaim(v) then
    found[1] = {'exclusive', v, call('PTTL', K)}
  end
  return found
end
`;

/** Minting and granting. Needs `owner`, `ttl`, `fences`, `rest`, `retention`. */
export const granting = `
local FENCE_MAX = 9007199254740000

-- The next range of fences, as texts; nil and an error where the stored fence is none of ours.
local function mint()
  local f = redis.pcall('GET', F)
  local last = 0
  if type(f) == 'string' then
    local digits = string.match(f, '^(%d+) ')
    if not digits or #digits > 16 or tonumber(digits) > FENCE_MAX then
      return nil, redis.error_reply('HOLDFASTCORRUPT the key ' .. F .. ' holds no fence')
    end
    last = tonumber(digits)
  end
  local first = math.max(last + 1, nowUs)
  return int(first), int(first + fences - 1)
end

local function remember(last)
  call('SET', F, last .. ' ' .. owner, 'PX', retention)
end

local function record(first, last)
  return '{"holdfast":1,"owner":"' .. owner .. '","first":"' .. first .. '","last":"' .. last .. '","sinceMs":' .. int(nowMs) .. rest
end

-- The readers' keys last as long as the last of them.
local function cover(ms)
  local left = call('PTTL', K)
  if left < ms then
    left = ms
    call('PEXPIRE', K, int(ms))
  end
  call('PEXPIRE', H, int(left))
  call('PEXPIRE', R, int(left))
end

local function extendReader()
  -- First what a full server allows: after that it allows the rest of the script too.
  call('PEXPIRE', K, int(math.max(ttl, call('PTTL', K))))
  call('ZADD', H, int(nowMs + ttl + 1), owner)
  cover(ttl)
end

local function grantShared(v)
  local first, last = mint()
  if not first then return last end
  -- The fence first: a script that ends halfway has then granted nothing.
  remember(last)
  if v ~= MARK then
    call('DEL', K, H, R)
    call('SET', K, MARK, 'PX', int(ttl))
  end
  call('HSET', R, owner, record(first, last))
  extendReader()
  return {1, first, last, owner}
end

local function grantExclusive()
  local first, last = mint()
  if not first then return last end
  remember(last)
  call('SET', K, record(first, last), 'PX', int(ttl))
  return {1, first, last, owner}
end
`;

/** Who waits, and whose turn it is. */
export const queue = `
local CLAIM_MS = ${limits.claimMs}
local PLACE_MS = ${limits.placeMs}

local function head(q)
  local range = call('ZRANGE', q, 0, 0, 'WITHSCORES')
  return range[1], tonumber(range[2])
end

-- Until when it may claim its turn (0: it is not its turn yet), when it was last asked for, and what is written of it.
local function place(o)
  local w = call('HGET', W, o)
  if not w then return 0, 0 end
  local claim, seen = string.match(w, '^(%d+) (%d+) ')
  return tonumber(claim), tonumber(seen), w
end

local function drop(q, o)
  call('ZREM', q, o)
  call('HDEL', W, o)
end

-- Gives it a claim window, and wakes it. Asked again within the window, it says how much of that is left.
local function offer(o, claim, w)
  if claim > nowMs then return claim - nowMs end
  call('HSET', W, o, int(nowMs + CLAIM_MS) .. string.sub(w, string.find(w, ' ', 1, true), -1))
  -- A user that may not publish costs polls; half a release would cost the lock.
  redis.pcall('PUBLISH', string.match(w, '^%d+ %d+ %d+ (%S+) '), K)
  return CLAIM_MS
end

-- Forgotten, or its window has passed unused. One that ends later than a window can was opened before the clock was set back.
local function isOver(claim, seen)
  return seen + PLACE_MS <= nowMs or (claim > 0 and (claim <= nowMs or claim > nowMs + CLAIM_MS))
end

-- Offers the lock to the readers in front of the first writer, at most so many at once: the others join when they ask.
-- How long they may take, or nil if there are none.
local function offerShared(writerAt)
  local max = writerAt and '(' .. int(writerAt) or '+inf'
  local ms
  for _, o in ipairs(call('ZRANGEBYSCORE', S, '-inf', max, 'LIMIT', 0, 128)) do
    local claim, seen, w = place(o)
    if isOver(claim, seen) then drop(S, o) else ms = math.max(ms or 0, offer(o, claim, w)) end
  end
  return ms
end

-- The lock is free: offers it to whoever is first. True if that is the asker itself, who may have it now.
local function serve(asker, shared, at)
  for _ = 1, 64 do
    local x, xAt = head(Q)
    local s, sAt = head(S)
    if not x and not s then return true end
    if asker and shared and (not x or (at and at < xAt)) then return true end
    if asker and not shared and x == asker and (not s or xAt < sAt) then return true end
    if x and (not s or xAt < sAt) then
      local claim, seen, w = place(x)
      if not isOver(claim, seen) then
        call('SET', K, CLAIM .. x .. '"}', 'PX', int(offer(x, claim, w)))
        return false
      end
      drop(Q, x)
    else
      local ms = offerShared(xAt)
      if ms then
        -- Readers whose lock was deleted or overwritten must not come back with it.
        call('DEL', H, R)
        call('SET', K, MARK, 'PX', int(ms))
        return false
      end
    end
  end
  return false
end

-- Something was given up: whoever may go now is woken.
local function advance()
  local v = read()
  if v == MARK then
    if readers() > 0 then
      local _, xAt = head(Q)
      offerShared(xAt)
      return
    end
    call('DEL', K, H, R)
    v = false
  end
  if not v then serve() end
end
`;

/** Owners that must not come back. */
export const ending = `
local TOMBSTONE_MS = ${limits.tombstoneMs}

-- Each that comes takes some of the old ones out, so that they stay few.
local function bury(o, why)
  local over = call('ZRANGEBYSCORE', E, '-inf', int(nowMs), 'LIMIT', 0, 16)
  if #over > 0 then
    call('ZREM', E, unpack(over))
    redis.pcall('HDEL', Y, unpack(over))
  end
  call('ZADD', E, int(nowMs + TOMBSTONE_MS), o)
  call('PEXPIRE', E, TOMBSTONE_MS)
  if why then
    -- What is only told to people must not end the script halfway.
    redis.pcall('HSET', Y, o, why)
    redis.pcall('PEXPIRE', Y, TOMBSTONE_MS)
  end
end
`;

/** Whether an owner's ask can only be a late copy: it was ended, or the last grant of all was its own, and is over. */
export const lateness = `
local function isEnded(o)
  local untilMs = call('ZSCORE', E, o)
  return untilMs and tonumber(untilMs) > nowMs
end

local function wasLast(o)
  local f = redis.pcall('GET', F)
  return type(f) == 'string' and string.sub(f, -#o - 1) == ' ' .. o
end
`;
