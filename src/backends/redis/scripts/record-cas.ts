import { record, recordWriting } from './record-common.js';
import { script } from './script.js';

export const recordCasScript = script(
  'record-cas',
  `
-- Writes a record if its version is still the one that was read. Idempotent by the id of the write.
-- KEYS  1 the record
-- ARGV  1 id of the write, 2 value, 3 TTL in ms or '', 4 version
-- reply {id of the write, 1 written or 0, now in ms, value, version, expires in epoch ms or ''}; only 0 and the time if there is none
local id, text, ttl = ARGV[1], ARGV[2], ARGV[3]
${record}
${recordWriting}
local told = again()
if told then return told end
if not alive or version ~= ARGV[4] then return {id, 0, standing()} end
return write()
`,
  [],
);
