import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readArgs, usage } from './lib/args.mjs';
import { replaceTables } from './lib/page.mjs';
import { render } from './lib/report.mjs';
import { runSuite } from './lib/suite.mjs';

const here = new URL('.', import.meta.url);

/** A suite is a folder with a `suite.mjs`. */
function suiteNames() {
  return readdirSync(here).filter((name) => existsSync(new URL(`${name}/suite.mjs`, here)));
}

async function loadSuites(names, tune) {
  const known = suiteNames();
  for (const name of names) {
    if (!known.includes(name)) throw new Error(`no suite "${name}": choose among ${known.join(', ')}`);
  }
  const suites = await Promise.all((names.length === 0 ? known : names).map((name) => import(`./${name}/suite.mjs`)));
  return tune ? suites.map((suite) => ({ ...suite, ...suite.tuning })) : suites;
}

/** On the error stream and on a terminal only: what is printed is the result and nothing else. */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

async function main(args) {
  if (!existsSync(new URL('../dist/index.js', here))) throw new Error('dist/ is missing: run `npm run build` first');
  const folder = mkdtempSync(join(args.folder ?? tmpdir(), 'holdfast-bench-'));
  try {
    const results = [];
    const pages = [];
    for (const suite of await loadSuites(args.suites, args.tune)) {
      const result = await runSuite(suite, { ...args, folder, progress });
      progress('');
      results.push(result);
      if (args.format === 'json') continue;
      pages.push(render(result, suite.contenders, args.format));
      process.stdout.write(pages.at(-1));
    }
    if (args.format === 'json') process.stdout.write(`${JSON.stringify(results, null, 2)}\n`);
    if (args.into !== undefined) replaceTables(args.into, pages.join('\n'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
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
