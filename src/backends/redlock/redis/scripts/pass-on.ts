import { script } from '../../../redis/scripts/script.js';
import { base, waking } from './common.js';

export const passOnScript = script(
  'pass-on',
  `
-- A wake-up reached nobody who waits: wakes the next, if the lock is still free.
-- KEYS  1 the lock
-- reply 1
local K = KEYS[1]
${base}
${waking}
if call('EXISTS', K) == 0 then wake() end
return 1
`,
  [],
);
