import process from 'node:process';
import { generate } from './generate.js';
import { run } from './run.js';
import { formatEvent } from '../check/history.js';

const from = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 1);
for (let seed = from; seed < from + count; seed++) {
  const r = await run(generate(seed));
  if (process.argv[4] === '--trace') for (const e of r.history.events) console.log(formatEvent(e));
  for (const v of r.violations) console.log(seed, generate(seed).kind, v.index, v.rule, v.what);
}
