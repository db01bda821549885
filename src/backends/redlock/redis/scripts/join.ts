import { script } from '../../../redis/scripts/script.js';
import { base } from './common.js';

export const joinScript = script(
  'join',
  `
-- Makes a client known to this node, and says from when on it votes.
-- KEYS  1 the node's record
-- ARGV  1 run_id that the client has just read, 2 how long a node sits out that may have forgotten a vote, in ms,
--       3 '1': a node without a record is taken for new, 4 '1': every write is on disk before it is answered
-- reply {'moved'} if the run_id is another by now; else {'votes' or 'waits', ms until it votes, now in us, run_id}
local N = KEYS[1]
${base}
local run = string.match(call('INFO', 'server'), 'run_id:(%x+)')
if run ~= ARGV[1] then return {'moved'} end
local grace, trustNew, durable = tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4]
local past = call('HMGET', N, 'run', 'from', 'at', 'grace', 'ttl', 'durable')
local known, from, at, ttl = past[1], tonumber(past[2] or 0), tonumber(past[3] or 0), tonumber(past[5] or 0)

if known == run then
  -- A client with a longer bound may have longer leases out.
  if from > nowMs and grace > tonumber(past[4]) then
    from = math.max(from, at + grace)
    call('HSET', N, 'from', int(from), 'grace', int(grace))
  end
  if durable ~= '1' and past[6] == '1' then call('HSET', N, 'durable', '0') end
else
  -- What survived of the past may be older than the last leases: its longest TTL can only lengthen the grace.
  grace = math.max(grace, ttl)
  if known and durable == '1' and past[6] == '1' then
    -- Nothing was forgotten, not even a grace that had not ended.
    from = math.min(from, nowMs + grace)
  else
    -- Votes that long may be out until the grace is over.
    if from <= nowMs or not known then ttl = 0 end
    from = (not known and trustNew) and nowMs or nowMs + grace
  end
  call('HSET', N, 'run', run, 'from', int(from), 'at', int(nowMs), 'grace', int(grace), 'ttl', int(ttl), 'durable', durable)
end
local left = math.min(from - nowMs, math.max(grace, tonumber(past[4] or 0)))
return {left > 0 and 'waits' or 'votes', int(math.max(0, left)), nowUs, run}
`,
  [],
);
