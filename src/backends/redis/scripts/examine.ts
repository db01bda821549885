import { base, siblings } from './common.js';
import { script } from './script.js';

export const examineScript = script(
  'examine',
  `
-- What stands at one lock, for a person. Changes nothing.
-- KEYS  1 the lock
-- reply {type, ms left or -1, text, fields of a hash, SHA-1 of the text or of the dump, how many readers hold,
--        who may claim it: owner, record, …}
local K = KEYS[1]
${siblings}
${base}
local left = call('PTTL', K)
local v = read()
-- What this user may not ask stays unknown.
local kind = redis.pcall('TYPE', K).ok or (v and (v == '' and 'unknown' or 'string')) or 'none'
local sha = ''
local fields = {}
if kind == 'string' then
  sha = redis.sha1hex(v)
elseif kind ~= 'none' then
  local dump = redis.pcall('DUMP', K)
  if type(dump) == 'string' then sha = redis.sha1hex(dump) end
  local keys = kind == 'hash' and redis.pcall('HKEYS', K)
  if keys and not keys.err then fields = keys end
end
local reading = v == MARK and call('ZCOUNT', H, '(' .. int(nowMs), '+inf') or 0
local claims = {}
local function claim(o)
  local w = call('HGET', W, o)
  local untilMs = w and tonumber(string.match(w, '^(%d+) '))
  if untilMs and untilMs > nowMs then
    claims[#claims + 1] = o
    claims[#claims + 1] = w
  end
end
if isClaim(v) then
  claim(string.sub(v, #CLAIM + 1, -3))
elseif v == MARK and reading == 0 then
  for _, o in ipairs(call('ZRANGE', S, 0, 15)) do claim(o) end
end
return {kind, left, string.sub(v or '', 1, 4096), {unpack(fields, 1, 16)}, sha, reading, claims}
`,
);
