import { limits } from '../../../../core/limits.js';

// Fragments of Lua that scripts are put together from. Time is the server's; microseconds stay below 2^53 and are
// printed with %.0f. `K` is the lock, `N` the node's own record, `owner` who is spoken of.

export const writing = `
local call = redis.call

local function int(n)
  return string.format('%.0f', n)
end
`;

export const time = `
local clock = call('TIME')
local nowUs = clock[1] * 1000000 + clock[2]
local nowMs = math.floor(nowUs / 1000)
`;

export const base = `${writing}${time}`;

/**
 * Whether this node votes. The server's own run_id is read here, in the same step as the vote: a client library that
 * reconnects sends a command again to whatever answers at the address by then.
 */
export const standing = `
local past = call('HMGET', N, 'run', 'from', 'grace', 'ttl')

local function standing(incarnation)
  -- Looked for as plain text: a pattern would cost more than the rest of the question.
  if past[1] ~= incarnation or not string.find(call('INFO', 'server'), 'run_id:' .. incarnation, 1, true) then
    return 'stranger', 0
  end
  local left = past[2] - nowMs
  if left <= 0 then return 'votes', 0 end
  local grace = tonumber(past[3])
  if left > grace then
    -- The clock was set back: the grace must not last as long as that.
    left = grace
    call('HSET', N, 'from', int(nowMs + grace))
  end
  return 'waits', left
end
`;

/**
 * The lock: false if it is free; '' if its key is of another type, hence somebody else's. What a hold's value begins with is the same as
 * of the Redis store: each understands and respects the other's locks.
 */
export const reading = `
local HEAD = '{"holdfast":1,"owner":"' .. owner .. '","first":"'

local function read()
  local v = redis.pcall('GET', K)
  if type(v) ~= 'table' then return v end
  if string.find(v.err, 'WRONGTYPE', 1, true) then return '' end
  return call('GET', K)
end

local function isMine(v)
  return v and string.sub(v, 1, #HEAD) == HEAD
end

-- First fence, last fence, round, and where the rest begins; nothing if it is not this owner's.
local function mine(v)
  if not isMine(v) then return nil end
  local first, last, round, at = string.match(v, '^(%d+)","last":"(%d+)","round":(%d+)(),"', #HEAD + 1)
  return first, last, tonumber(round), at
end

local function value(first, last, round, rest)
  return HEAD .. first .. '","last":"' .. last .. '","round":' .. int(round) .. rest
end
`;

/** The last fence, and to which round of whom it went. */
export const fencing = `
local F = '{' .. K .. '}:fence'
local FENCE_MAX = 9007199254740000

-- The last fence as a number (0: none is known), its owner and round; nil and an error where none of ours stands there.
local function lastFence()
  local f = redis.pcall('GET', F)
  if not f then return 0 end
  local digits, who, round
  if type(f) == 'string' then digits, who, round = string.match(f, '^(%d+) (%S+) ?(%d*)$') end
  if not digits or #digits > 16 or tonumber(digits) > FENCE_MAX then
    return nil, redis.error_reply('HOLDFASTCORRUPT the key ' .. F .. ' holds no fence')
  end
  return tonumber(digits), who, tonumber(round) or 0
end

-- Numbers as text.
local function storeFence(last, round, retention)
  call('SET', F, last .. ' ' .. owner .. ' ' .. round, 'PX', retention)
end
`;

/** Owners that must not come back, and up to which round; all of them where none is given. */
export const tombstones = `
local E = '{' .. K .. '}:ended'
local TOMBSTONE_MS = ${limits.tombstoneMs}
`;

/** Whether an owner's ballot of a round comes too late. */
export const lateness = `
local U = '{' .. K .. '}:ended:round'

local function isEnded(o, round)
  if call('EXISTS', E) == 0 then return false end
  local untilMs = call('ZSCORE', E, o)
  if not untilMs or tonumber(untilMs) <= nowMs then return false end
  local upTo = call('HGET', U, o)
  return not upTo or round <= tonumber(upTo)
end
`;

export const burying = `
local Y = '{' .. K .. '}:ended:why'
local U = '{' .. K .. '}:ended:round'

-- Each that comes takes some of the old ones out, so that they stay few.
local function bury(o, upTo, why)
  local over = call('ZRANGEBYSCORE', E, '-inf', int(nowMs), 'LIMIT', 0, 16)
  if #over > 0 then
    call('ZREM', E, unpack(over))
    call('HDEL', Y, unpack(over))
    call('HDEL', U, unpack(over))
  end
  local known = call('ZSCORE', E, o) and (call('HGET', U, o) or 'all')
  call('ZADD', E, int(nowMs + TOMBSTONE_MS), o)
  call('PEXPIRE', E, TOMBSTONE_MS)
  if not upTo then
    call('HDEL', U, o)
  elseif known ~= 'all' then
    call('HSET', U, o, int(math.max(upTo, known or 0)))
    call('PEXPIRE', U, TOMBSTONE_MS)
  end
  if why then
    call('HSET', Y, o, why)
    call('PEXPIRE', Y, TOMBSTONE_MS)
  end
end
`;

/** Who is told when the lock may have become free: channels, in the order in which they were refused. */
export const waking = `
local X = '{' .. K .. '}:wake'

-- Wakes one: all at once would split the votes. Who does not listen any more is passed over.
local function wake()
  if call('EXISTS', X) == 0 then return end
  for _ = 1, 16 do
    local channel = call('ZPOPMIN', X)[1]
    if not channel then return end
    local heard = redis.pcall('PUBLISH', channel, K)
    -- A user that may not publish costs polls; half a release would cost the lock.
    if type(heard) ~= 'number' or heard > 0 then return end
  end
end
`;
