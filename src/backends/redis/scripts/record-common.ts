/**
 * What the scripts for records share. A record is one hash: `value`, `version` ("<µs>-<id of the write>"), `expires` (epoch ms of
 * the server, or empty), `writes` (versions of the last writes). It stays a while after its time is over, so that a late copy of a
 * write finds its own trace and changes nothing.
 */
export const record = `
local K = KEYS[1]
local clock = redis.call('TIME')
local nowUs = clock[1] * 1000000 + clock[2]
local nowMs = math.floor(nowUs / 1000)
local fields = redis.pcall('HMGET', K, 'value', 'version', 'expires', 'writes')
local value, version, expires, writes = fields[1], fields[2], fields[3], fields[4]
local whole = version and expires and writes and string.match(version, '^%d+%-%x+$') and string.match(expires, '^%d*$')
if fields.err or (value and not whole) then
  return redis.error_reply('HOLDFASTCORRUPT the key ' .. K .. ' holds no record')
end
local alive = value and (expires == '' or tonumber(expires) > nowMs)

local function int(n)
  return string.format('%.0f', n)
end

-- The record that stands there, as replies have it.
local function standing()
  if not alive then return int(nowMs) end
  return int(nowMs), value, version, expires
end
`;

/** Writing one. Needs `id`, `text`, `ttl` (ms, or empty). */
export const recordWriting = `
-- How long, and how many, writes leave a trace.
local TRACE_MS, TRACES = 60000, 256

-- The same write again: what it was told the first time, also if somebody has written since.
local function again()
  local us = writes and string.match(writes, '(%d+)%-' .. id)
  if not us then return nil end
  local own = us .. '-' .. id
  if alive and version == own then return {id, 1, standing()} end
  local atMs = math.floor(tonumber(us) / 1000)
  return {id, 1, int(atMs), text, own, ttl == '' and '' or int(atMs + ttl)}
end

local function write()
  local us = math.max(nowUs, tonumber(string.match(version or '', '^%d+') or 0) + 1)
  value, version, alive = text, int(us) .. '-' .. id, true
  expires = ttl == '' and '' or int(nowMs + ttl)
  local traces = {version}
  for trace, at in string.gmatch(writes or '', '((%d+)%-%x+)') do
    if #traces == TRACES or tonumber(at) < nowUs - TRACE_MS * 1000 then break end
    traces[#traces + 1] = trace
  end
  redis.call('HSET', K, 'value', value, 'version', version, 'expires', expires, 'writes', table.concat(traces, ' '))
  if ttl == '' then redis.call('PERSIST', K) else redis.call('PEXPIREAT', K, int(nowMs + ttl + TRACE_MS)) end
  return {id, 1, standing()}
end
`;
