import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArgs, usage } from './lib/args.mjs';
import { chartBeside } from './lib/chart.mjs';
import { replaceTables } from './lib/page.mjs';
import { render } from './lib/report.mjs';
import { runSuite } from './lib/suite.mjs';

const here = new URL('.', import.meta.url);

/** A suite is a folder with a `suite.mjs`. */
function suiteNames() {
  return readdirSync(here).filter((name) => existsSync(new URL(`${name}/suite.mjs`, here)));
}

/** A suite, or its parts: `stores` has one for each store, `stores/etcd` names one of them. */
async function load(name, known) {
  const [folder, part] = name.split('/');
  if (!known.includes(folder)) throw new Error(`no suite "${name}": choose among ${known.join(', ')}`);
  const suite = await import(`./${folder}/suite.mjs`);
  const parts = (suite.parts ?? []).map((each) => ({ ...each, name: `${folder}/${each.name}` }));
  if (part === undefined) return suite.parts === undefined ? [{ ...suite, name }] : parts.filter(isThere);
  const found = parts.filter((each) => each.name === name);
  if (found.length === 0)
    throw new Error(`no suite "${name}": choose among ${[folder, ...parts.map((each) => each.name)].join(', ')}`);
  return found;
}

/** What cannot be had everywhere is left out, and named, unless it was asked for by its name. */
function isThere({ name, missing }) {
  const reason = missing?.();
  if (reason !== undefined) process.stderr.write(`${name} is left out: ${reason}\n`);
  return reason === undefined;
}

async function loadSuites({ suites: names, tune, contenders }) {
  const known = suiteNames();
  const suites = (await Promise.all((names.length === 0 ? known : names).map((name) => load(name, known)))).flat();
  if (!tune) return suites;
  const tunings = suites.flatMap((suite) => [suite.tuning ?? []].flat().map((tuning) => ({ ...suite, ...tuning })));
  return tunings.filter(({ of }) => of === undefined || contenders === undefined || contenders.includes(of));
}

/** On the error stream and on a terminal only: what is printed is the result and nothing else. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

async function main(args) {
  if (!existsSync(new URL('../dist/index.js', here))) throw new Error('dist/ is missing: run `npm run build` first');
  const folder = mkdtempSync(join(args.folder ?? tmpdir(), 'holdfast-bench-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    const results = [];
    for (const suite of await loadSuites(args)) {
      // A tuning of one contender is chosen by that contender, and then run whole.
      const contenders = suite.of === undefined ? args.contenders : undefined;
      const result = await runSuite(suite, { ...args, contenders, folder, progress });
      progress('');
      results.push(result);
      if (args.format === 'json') continue;
      const page = render(result, suite.contenders, args.format);
      process.stdout.write(page);
      if (args.into === undefined) continue;
      replaceTables(args.into, suite.name, page);
      if (suite.chart !== undefined) chartBeside(args.into, suite, result);
    }
    if (args.format === 'json') process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
  } finally {
    remove();
  }
}

try {
  const args = readArgs(process.argv.slice(2));
  if (args.help) process.stdout.write(`${usage}\n`);
  else await main(args);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
}
