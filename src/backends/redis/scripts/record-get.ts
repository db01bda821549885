import { record } from './record-common.js';
import { script } from './script.js';

export const recordGetScript = script(
  'record-get',
  `
-- Reads a record. Changes nothing.
-- KEYS  1 the record
-- ARGV  1 id of the reading
-- reply {that id, now in ms, value, version, expires in epoch ms or ''}; only the id and the time if there is none
${record}
return {ARGV[1], standing()}
`,
  [],
);
