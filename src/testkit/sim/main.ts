import process from 'node:process';
import { parseArgs } from 'node:util';
import { formatEvent } from '../check/history.js';
import { batch, type Failure } from './batch.js';
import { generate } from './generate.js';
import { type Explored, explore } from './quorum/explore/explore.js';
import { longSweeps, sweeps } from './quorum/explore/sweeps.js';
import { generateQuorum } from './quorum/generate.js';
import { digest, run } from './run.js';
import type { Scenario } from './scenario.js';
import { shrink } from './shrink.js';

const usage = `Plays seeds against the real core and checks what happened.

  --seeds N         how many (default 200), from --from (default 1), on --workers threads (default 2)
  --seed N          one seed; --trace prints its history, --shrink leaves out what its violation does not need
  --quorum          worlds in which several nodes grant by majority, in place of one store
  --explore         every order of events in a small world of two clients and three nodes; --long takes a minute more
  --stop-at-first   ends at the first seed that fails
  --json            one line of JSON instead of text`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    shrink: { type: 'boolean', default: false },
    quorum: { type: 'boolean', default: false },
    explore: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    'stop-at-first': { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function showFailure({ seed, kind, violations }: Failure): string {
  const lines = violations.slice(0, 3).map(({ rule, what, index }) => `  ${rule} at ${index}: ${what}`);
  if (violations.length > 3) lines.push(`  … and ${violations.length - 3} more`);
  return [
    `seed ${seed} (${kind}) breaks a promise; replay: node ${process.argv[1]}${values.quorum ? ' --quorum' : ''} --seed ${seed} --trace`,
    ...lines,
  ].join('\n');
}

function showScenario({ faults, onlyMessages, processes, kind }: Scenario): string {
  const ops = processes.flatMap(({ callers }) => callers.flat());
  return [
    `what is left of it (${kind}):`,
    ...faults.map((fault) => `  fault ${JSON.stringify(fault)}`),
    ...(onlyMessages ?? []).map((message) => `  message fault ${message}`),
    ...ops.map((op) => `  op ${JSON.stringify(op)}`),
  ].join('\n');
}

async function one(seed: number, smaller: boolean): Promise<number> {
  let scenario = values.quorum ? generateQuorum(seed) : generate(seed);
  let result = await run(scenario);
  const rule = result.violations[0]?.rule;
  if (rule !== undefined && smaller) {
    const shrunk = await shrink(scenario, rule);
    scenario = shrunk.scenario;
    result = await run(scenario);
    print(`shrunk in ${shrunk.runs} runs; ${showScenario(scenario)}`);
  }
  if (values.trace) for (const event of result.history.events) print(formatEvent(event));
  print(`seed ${seed} (${scenario.kind}): ${result.history.events.length} events, digest ${digest(result.history)}`);
  if (rule !== undefined) print(showFailure({ seed, kind: scenario.kind, violations: result.violations }));
  return rule === undefined ? 0 : 1;
}

async function everything(all: typeof sweeps): Promise<number> {
  for (const [name, bounds] of Object.entries(all)) {
    const { found, ...explored } = await explore(bounds);
    print(values.json ? JSON.stringify({ name, ...explored, found }) : `${name}: ${showExplored(explored)}`);
    if (found === undefined) continue;
    if (!values.json) print([`${found.violation}, by these choices:`, ...found.choices].join('\n  '));
    return 1;
  }
  return 0;
}

function showExplored({ states, runs, merged, deepest, tookMs }: Omit<Explored, 'found'>): string {
  return `${states} states; ${runs} runs to the end, ${merged} that met another; up to ${deepest} choices; ${Math.round(tookMs)} ms`;
}

async function many(): Promise<number> {
  const result = await batch({
    from: Number(values.from),
    seeds: Number(values.seeds),
    workers: Number(values.workers),
    quorum: values.quorum,
    stopAtFirst: values['stop-at-first'],
    ...(values.json ? {} : { onFailure: (failure: Failure) => print(showFailure(failure)) }),
  });
  if (values.json) print(JSON.stringify(result));
  else {
    const first = result.failures[0];
    if (first !== undefined && !values['stop-at-first']) await one(first.seed, true);
    const perSecond = Math.round((result.seeds / result.tookMs) * 1000);
    print(`${result.seeds} seeds, ${result.failures.length} failed, ${Math.round(result.tookMs)} ms (${perSecond} seeds/s)`);
  }
  return result.failures.length === 0 ? 0 : 1;
}

if (values.help) print(usage);
else if (values.explore) process.exitCode = await everything(values.long ? longSweeps : sweeps);
else process.exitCode = values.seed === undefined ? await many() : await one(Number(values.seed), values.shrink);
