import { script } from '../../../redis/scripts/script.js';
import { base, standing } from './common.js';

export const renewScript = script(
  'renew',
  `
-- Extends holds, also while this node sits out its grace. Creates nothing.
-- KEYS  1 the node's record, then the locks
-- ARGV  1 TTL in ms, 2 run_id that the client has joined, then the owner of each
-- reply {state, ms until it votes, now in us}; no more of a stranger; then the first owner, and the holds that were not extended:
--       number, 'g' gone or 'n' not yours, who ended it or '', number, …
local N, ttl = KEYS[1], ARGV[1]
${base}
${standing}
local state, votesIn = standing(ARGV[2])
local reply = {state, int(votesIn), nowUs, ARGV[3]}
if state == 'stranger' then return reply end
local find = string.find
for i, v in ipairs(call('MGET', unpack(KEYS, 2))) do
  local key, owner = KEYS[i + 1], ARGV[i + 2]
  -- The 128 bits of the owner in this place make it ours.
  if v and find(v, owner .. '","first":"', 24, true) == 24 then
    call('PEXPIRE', key, ttl)
  else
    -- MGET shows a key of another type as none.
    local free = not v and call('EXISTS', key) == 0
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
