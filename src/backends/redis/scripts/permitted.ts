import { script } from './script.js';

export const permittedScript = script(
  'permitted',
  `
-- Tries, on keys that nobody has, every command that the other scripts use. Leaves nothing behind.
-- KEYS  1 a key of this try alone, 2 its sibling
-- ARGV  1 a channel that nobody listens to
-- reply what was refused: "COMMAND words of the server", …
local K, sibling = KEYS[1], KEYS[2]
local refused = {}
local function try(...)
  local reply = redis.pcall(...)
  local failed = type(reply) == 'table' and reply.err
  if failed then refused[#refused + 1] = (...) .. ' ' .. reply.err end
  return not failed
end
try('TIME')
try('PUBLISH', ARGV[1], '')
for _, key in ipairs({K, sibling}) do
  for _, read in ipairs({'GET', 'EXISTS', 'PTTL', 'ZCARD', 'HGETALL'}) do try(read, key) end
end
try('HGET', K, '')
try('HMGET', K, '')
for _, read in ipairs({'ZSCORE', 'ZRANK'}) do try(read, K, '') end
for _, read in ipairs({'ZRANGE', 'ZREVRANGE'}) do try(read, K, 0, 0) end
for _, read in ipairs({'ZRANGEBYSCORE', 'ZCOUNT'}) do try(read, K, 0, 0) end
try('PEXPIRE', K, 1)
try('PEXPIREAT', K, 1)
try('PERSIST', K)
for _, write in ipairs({'ZREM', 'HDEL'}) do try(write, K, '') end
try('ZREMRANGEBYSCORE', K, 0, 0)
try('SET', K, '', 'XX', 'PX', 1)
try('ZADD', K, 'XX', 0, '')
-- What is created here must be gone at the end.
if try('DEL', K) and try('DEL', sibling) and try('HSET', K, '', '') then redis.call('DEL', K) end
return refused
`,
);
