import { script } from '../../../redis/scripts/script.js';
import { base, burying, reading, tombstones, waking } from './common.js';

export const abandonScript = script(
  'abandon',
  `
-- Forgets what an owner has here from ballots up to a round, and refuses such ballots when they arrive later.
-- KEYS  1 the lock
-- ARGV  1 owner, 2 round, or '' for all
-- reply 1
local K, owner, round = KEYS[1], ARGV[1], tonumber(ARGV[2])
${base}
${reading}
${tombstones}
${burying}
${waking}
local first, _, hasRound = mine(read())
bury(owner, round)
if first and (not round or hasRound <= round) then
  call('DEL', K)
  -- Who lost a split vote asks again by itself: waking others would split the next one.
  if not round then wake() end
end
return 1
`,
  [],
);
