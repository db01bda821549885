import { base, siblings } from './common.js';
import { script } from './script.js';

/** How often a process with many holds calls it, and how many they are, decides what a lease costs: three commands each at most. */
export const renewScript = script(
  'renew',
  `
-- Extends exclusive holds. Creates nothing.
-- KEYS  the locks
-- ARGV  for each: owner, TTL in ms
-- reply the holds that were not extended: number, 'g' gone or 'n' not yours, who ended it or '', number, …
local call, pcall, find, byte = redis.call, redis.pcall, string.find, string.byte
local reply = {}
for i, key in ipairs(KEYS) do
  local owner = ARGV[2 * i - 1]
  local v = pcall('GET', key)
  -- The 128 bits of the owner in this place make it ours; the f is that of "first", which a claim has not.
  if type(v) == 'string' and find(v, owner, 24, true) == 24 and byte(v, 27 + #owner) == 102 then
    call('PEXPIRE', key, ARGV[2 * i])
  else
    local free = not v or (type(v) == 'string' and string.sub(v, 1, 23) == '{"holdfast":1,"claim":"')
    reply[#reply + 1] = i
    reply[#reply + 1] = free and 'g' or 'n'
    reply[#reply + 1] = call('HGET', '{' .. key .. '}:ended:why', owner) or ''
  end
end
return reply
`,
);

export const renewSharedScript = script(
  'renew-shared',
  `
-- Extends one reader's hold. Creates nothing.
-- KEYS  1 the lock
-- ARGV  1 owner, 2 TTL in ms
-- reply as of renew
local K, owner, ttl = KEYS[1], ARGV[1], tonumber(ARGV[2])
${siblings}
${base}
local v = read()
local reading = v == MARK and readers() or 0
if reading > 0 and call('ZSCORE', H, owner) then
  call('ZADD', H, int(nowMs + ttl + 1), owner)
  local left = math.max(ttl, call('PTTL', K))
  for _, key in ipairs({K, H, R}) do call('PEXPIRE', key, int(left)) end
  return {}
end
local free = not v or isClaim(v) or (v == MARK and reading == 0)
return {1, free and 'g' or 'n', call('HGET', Y, owner) or ''}
`,
);
