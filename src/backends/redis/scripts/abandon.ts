import { base, ending, holdHead, queue, siblings } from './common.js';
import { script } from './script.js';

export const abandonScript = script(
  'abandon',
  `
-- Forgets whatever this owner has here, and refuses its asks that arrive later.
-- KEYS  1 the lock
-- ARGV  1 owner
-- reply 1
local K, owner = KEYS[1], ARGV[1]
${siblings}
${base}
${queue}
${ending}
local head = ${holdHead}
local v = read()
if v == MARK then
  if call('ZREM', H, owner) == 1 then call('HDEL', R, owner) end
elseif v and (string.sub(v, 1, #head) == head or v == CLAIM .. owner .. '"}') then
  call('DEL', K)
end
call('ZREM', Q, owner)
call('ZREM', S, owner)
call('HDEL', W, owner)
bury(owner)
advance()
return 1
`,
);
