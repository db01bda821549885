import { script } from '../../../redis/scripts/script.js';
import { burying, reading, time, tombstones, waking, writing } from './common.js';

export const releaseScript = script(
  'release',
  `
-- Compare and delete; wakes who waits. Where there is nothing to delete, the owner's vote may still be on its way: it comes too late.
-- KEYS  1 the lock
-- ARGV  1 owner
-- reply 1 released, 0 absent, 2 somebody else's
local K, owner = KEYS[1], ARGV[1]
${writing}
${reading}
${waking}
local v = read()
if isMine(v) then
  call('DEL', K)
  wake()
  return 1
end
${time}
${tombstones}
${burying}
bury(owner)
return v and 2 or 0
`,
  [],
);
