import { base, holdHead, queue, siblings } from './common.js';
import { script } from './script.js';

export const releaseScript = script(
  'release',
  `
-- Compare and delete; offers the lock to whoever is next.
-- KEYS  1 the lock
-- ARGV  1 owner, 2 'exclusive' or 'shared'
-- reply 1 released, 0 absent, 2 somebody else's
local K, owner = KEYS[1], ARGV[1]
local head = ${holdHead}
local freed = false
if ARGV[2] == 'exclusive' then
  local value = redis.pcall('GET', K)
  if not value then return 0 end
  if type(value) == 'string' and string.sub(value, 1, #head) == head then
    redis.call('DEL', K)
    if redis.call('EXISTS', '{' .. K .. '}:who') == 0 then return 1 end
    freed = true
  end
end
${siblings}
${base}
${queue}
if freed then
  serve()
  return 1
end

local v = read()
if not v or isClaim(v) then return 0 end
if v ~= MARK then return 2 end
readers()
local found = ARGV[2] == 'shared' and call('ZREM', H, owner) == 1
if found then call('HDEL', R, owner) end
local last = call('ZREVRANGE', H, 0, 0, 'WITHSCORES')
if #last == 0 then
  advance()
  return found and 1 or 0
end
if not found then return 2 end
-- The longest hold may have been this one.
local left = tonumber(last[2]) - nowMs
for _, key in ipairs({K, H, R}) do call('PEXPIRE', key, int(left)) end
return 1
`,
);
