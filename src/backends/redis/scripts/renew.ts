import { base, siblings } from './common.js';
import { script } from './script.js';

// While a slot is on its way to another node, a lock's keys come there one by one, and those that never existed stay away.
// Renewals declare only what a hold consists of, so that they go on meanwhile: everything else waits for the slot to arrive.

/** How often a process with many holds calls it, and how many they are, decides what a lease costs. */
export const renewScript = script(
  'renew',
  `
-- Extends exclusive holds. Creates nothing.
-- KEYS  the locks
-- ARGV  1 TTL in ms, then the owner of each
-- reply the first owner; the holds that were not extended: number, 'g' gone or 'n' not yours, who ended it or '', number, …
local call, find, byte = redis.call, string.find, string.byte
local ttl, reply = ARGV[1], {ARGV[2]}
-- One command for all: each that is called from a script costs more than what it does.
for i, v in ipairs(call('MGET', unpack(KEYS))) do
  local key, owner = KEYS[i], ARGV[i + 1]
  -- The 128 bits of the owner in this place make it ours; the f is that of "first", which a claim has not.
  if v and find(v, owner, 24, true) == 24 and byte(v, 27 + #owner) == 102 then
    call('PEXPIRE', key, ttl)
  else
    -- MGET shows a key of another type as none.
    local free = not v and call('EXISTS', key) == 0 or (v and string.sub(v, 1, 23) == '{"holdfast":1,"claim":"')
    reply[#reply + 1] = i
    reply[#reply + 1] = free and 'g' or 'n'
    local why = redis.pcall('HGET', '{' .. key .. '}:ended:why', owner)
    reply[#reply + 1] = type(why) == 'string' and why or ''
  end
end
return reply
`,
  [],
);

export const renewSharedScript = script(
  'renew-shared',
  `
-- Extends one reader's hold. Creates nothing.
-- KEYS  1 the lock
-- ARGV  1 TTL in ms, 2 owner
-- reply as of renew
local K, ttl, owner = KEYS[1], tonumber(ARGV[1]), ARGV[2]
${siblings}
${base}
local v = read()
local reading = v == MARK and readers() or 0
if reading > 0 and call('ZSCORE', H, owner) then
  local left = math.max(ttl, call('PTTL', K))
  -- First what a full server allows: after that it allows the rest of the script too.
  call('PEXPIRE', K, int(left))
  call('ZADD', H, int(nowMs + ttl + 1), owner)
  for _, key in ipairs({K, H, R}) do call('PEXPIRE', key, int(left)) end
  return {owner}
end
local free = not v or isClaim(v) or (v == MARK and reading == 0)
local why = redis.pcall('HGET', Y, owner)
return {owner, 1, free and 'g' or 'n', type(why) == 'string' and why or ''}
`,
  ['shared', 'shared:who'],
);
