import { createHash } from 'node:crypto';

/** Runs whose ids a resource remembers: more than a process has under way there when its connection breaks. */
export const runsRemembered = 512;
/** How long it remembers them: longer than a client library keeps a command that it could not send. */
export const runsRememberedMs = 86_400_000;

/**
 * Checks the mark, raises it, and writes, or does nothing at all. Redis does not undo what a script did before it failed: so everything that can fail is
 * tried before the first write. What depends on the state of the server (memory, replicas, a read-only replica) fails at the first write or never.
 *
 * Fences are compared by length, then as text: Lua's numbers are exact only up to 2^53.
 *
 * KEYS: mark, ids of runs, keys that are written
 * ARGV: fence, id of the run or '' (then nothing is remembered), how many ids, for how many ms, then for every write: its command, number of its key, number of further arguments, those
 * Answers: { 'ok' | 'again' | 'stale' | 'corrupt' | 'refused', the mark, why }
 */
const text = `
local fence, id = ARGV[1], ARGV[2]
local mark = redis.call('GET', KEYS[1])
if mark and not string.match(mark, '^[1-9]%d*$') then return { 'corrupt', mark, '' } end
-- The client library has sent it twice.
if id ~= '' and redis.call('LPOS', KEYS[2], id) then return { 'again', mark or fence, '' } end
if mark and (#fence < #mark or (#fence == #mark and fence < mark)) then return { 'stale', mark, '' } end

-- What the mark itself needs, and what undoes a count.
if redis.acl_check_cmd then
  local own = { { 'SET', KEYS[1], fence }, { 'LPUSH', KEYS[2], id }, { 'LTRIM', KEYS[2], '0', '0' }, { 'PEXPIRE', KEYS[2], '1' } }
  for _, command in ipairs(own) do
    if not redis.acl_check_cmd(unpack(command)) then return { 'refused', mark or '', 'this user may not ' .. command[1] .. ' ' .. command[2] .. ', which the mark needs' } end
  end
end

local needs = { HSET = 'hash', HDEL = 'hash', INCRBY = 'string', RPUSH = 'list', SADD = 'set', SREM = 'set', ZADD = 'zset', XADD = 'stream' }
local writes, types, at = {}, {}, 5
while ARGV[at] do
  local name, key, count = ARGV[at], KEYS[tonumber(ARGV[at + 1])], tonumber(ARGV[at + 2])
  local write = { name, key }
  for i = at + 3, at + 2 + count do write[#write + 1] = ARGV[i] end
  at = at + 3 + count
  local before = types[key] or redis.call('TYPE', key)['ok']
  local need = needs[name]
  if need and before ~= 'none' and before ~= need then return { 'refused', mark or '', name .. ' needs a ' .. need .. ', and ' .. key .. ' is a ' .. before } end
  types[key] = need or (name == 'SET' and 'string' or 'none')
  if redis.acl_check_cmd and not redis.acl_check_cmd(unpack(write)) then return { 'refused', mark or '', 'this user may not ' .. name .. ' ' .. key } end
  if name == 'INCRBY' and redis.acl_check_cmd and not (redis.acl_check_cmd('DECRBY', key, '1') and redis.acl_check_cmd('DEL', key)) then
    return { 'refused', mark or '', 'this user may not DECRBY and DEL ' .. key .. ', which undo a count' }
  end
  writes[#writes + 1] = write
end

-- Whether a number can be counted up is known when it was: first, and undone if one of them cannot.
local counted = {}
for _, write in ipairs(writes) do
  if write[1] == 'INCRBY' then
    local existed = redis.call('EXISTS', write[2]) == 1
    local reply = redis.pcall(unpack(write))
    if type(reply) == 'table' and reply.err then
      for i = #counted, 1, -1 do
        if counted[i].existed then redis.call('DECRBY', counted[i].key, counted[i].by) else redis.call('DEL', counted[i].key) end
      end
      -- Anything else is a matter of the server's state.
      if not string.match(reply.err, '^ERR ') then return reply end
      return { 'refused', mark or '', reply.err }
    end
    counted[#counted + 1] = { key = write[2], by = write[3], existed = existed }
  end
end
if mark ~= fence then redis.call('SET', KEYS[1], fence) end
if id ~= '' then
  redis.call('LPUSH', KEYS[2], id)
  redis.call('LTRIM', KEYS[2], 0, ARGV[3] - 1)
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
end
for _, write in ipairs(writes) do
  if write[1] ~= 'INCRBY' then redis.call(unpack(write)) end
end
return { 'ok', fence, '' }`;

/** Raises the mark if it is lower, and answers it. KEYS: mark. ARGV: fence. */
const raise = `
local mark = redis.call('GET', KEYS[1])
if mark and not string.match(mark, '^[1-9]%d*$') then return { 'corrupt', mark } end
local fence = ARGV[1]
if mark and (#fence < #mark or (#fence == #mark and fence <= mark)) then return { 'ok', mark } end
redis.call('SET', KEYS[1], fence)
return { 'ok', fence }`;

/** Whether a run was done. KEYS: ids of runs. ARGV: id. */
const done = `return { redis.call('LPOS', KEYS[1], ARGV[1]) and 'yes' or 'no' }`;

export interface Script {
  readonly text: string;
  readonly sha: string;
}

function script(source: string): Script {
  return { text: source, sha: createHash('sha1').update(source).digest('hex') };
}

export const scripts = { write: script(text), raise: script(raise), done: script(done) } as const;
