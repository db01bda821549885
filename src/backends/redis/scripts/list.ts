import { base, siblings } from './common.js';
import { script } from './script.js';

export const listScript = script(
  'list',
  `
-- Everybody at one name, as of one moment. Changes nothing.
-- KEYS  1 the lock
-- reply {now in ms, holders, writers that wait, readers that wait}; of those: owner, score, record, owner, …
local K = KEYS[1]
${siblings}
${base}
local function waiters(q)
  local found = {}
  local range = call('ZRANGE', q, 0, -1, 'WITHSCORES')
  for i = 1, #range, 2 do
    local w = call('HGET', W, range[i])
    if w then
      found[#found + 1] = range[i]
      found[#found + 1] = range[i + 1]
      found[#found + 1] = w
    end
  end
  return found
end
return {int(nowMs), holders(read(), 100000), waiters(Q), waiters(S)}
`,
);
