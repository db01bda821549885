import { parseArgs } from 'node:util';

export const usage = `usage: npm run bench -- [suite …] [options]

  --quick           short rounds: shows the shape, proves nothing
  --markdown        the tables as in docs/benchmarks.md
  --into <file>     the tables as Markdown between the suite's marks of a page, e.g. docs/benchmarks.md, and its chart beside it
  --json            everything, percentiles included, as one JSON document
  --only <works>    some of the works, by comma: solo,parallel,inproc,xproc,handover,stopped,held,fresh,replay
  --with <contenders>  some of the contenders, by comma
  --tune            compare settings of the peers instead (redis: those of --with)
  --rounds <n>      measured rounds per work (the median is shown)
  --delay-ms <ms>   redlock-network, stores-network: how far servers are away, in each direction (default: 1; 0.25 will do)
  --in <folder>     where the stores and lock files lie (default: a new folder below the system's temporary one)`;

/** What the command line asks for. Throws on what it does not know. */
export function readArgs(argv) {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      only: { type: 'string' },
      with: { type: 'string' },
      tune: { type: 'boolean', default: false },
      into: { type: 'string' },
      rounds: { type: 'string' },
      'delay-ms': { type: 'string' },
      in: { type: 'string' },
    },
  });
  return {
    suites: positionals,
    quick: values.quick,
    help: values.help,
    format: values.json ? 'json' : values.markdown || values.into !== undefined ? 'markdown' : 'text',
    into: values.into,
    only: values.only?.split(','),
    contenders: values.with?.split(','),
    tune: values.tune,
    rounds: values.rounds === undefined ? undefined : wholeNumber(values.rounds),
    delayMs: values['delay-ms'] === undefined ? undefined : delay(values['delay-ms']),
    folder: values.in,
  };
}

function delay(text) {
  const number = Number(text);
  if (text.trim() === '' || !(number >= 0 && number <= 1_000))
    throw new Error(`--delay-ms is ${text}: give milliseconds, 0 to 1000`);
  return number;
}

function wholeNumber(text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--rounds is ${text}: give a whole number from 1`);
  return number;
}
