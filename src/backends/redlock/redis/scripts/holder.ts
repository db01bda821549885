import { script } from '../../../redis/scripts/script.js';
import { base } from './common.js';

export const holderScript = script(
  'holder',
  `
-- Who holds the locks, as of one moment. Changes nothing.
-- KEYS  the locks
-- reply {now in ms, holder or {}, …}
${base}
local reply = {int(nowMs)}
for i, K in ipairs(KEYS) do
  local v = redis.pcall('GET', K)
  reply[i + 1] = v and {'exclusive', type(v) == 'string' and v or '', call('PTTL', K)} or {}
end
return reply
`,
  [],
);
