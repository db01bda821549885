import { script } from '../../../redis/scripts/script.js';
import { base, burying, reading, tombstones, waking } from './common.js';

export const releaseScript = script(
  'release',
  `
-- Compare and delete; wakes who waits. Where there is nothing to delete, the owner's vote may still be on its way: it comes too late.
-- KEYS  1 the lock
-- ARGV  1 owner
-- reply 1 released, 0 absent, 2 somebody else's
local K, owner = KEYS[1], ARGV[1]
${base}
${reading}
${tombstones}
${burying}
${waking}
local v = read()
if mine(v) then
  call('DEL', K)
  wake()
  return 1
end
bury(owner)
return v and 2 or 0
`,
  [],
);
