import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemPorts } from '../core/clock.js';
import { HoldfastError } from '../core/errors.js';
import type { Holdfast } from '../core/holdfast.js';
import { limits } from '../core/limits.js';
import type { Records } from '../core/records.js';
import { lead } from '../election/index.js';
import { type PassSummary, type Reconciler, reconciler, type ReconcilerOptions } from '../idempotency/reconcile/index.js';
import { type OptionSpec, parse } from './args.js';
import { parseDuration } from './duration.js';
import { CliError, exit, usage } from './exit.js';
import { jsonLine } from './json.js';
import { loadModule } from './module.js';
import { cliName } from './name.js';
import { print, say } from './say.js';
import { withStore } from './session.js';

const specs = {
  backend: { value: 'URL' },
  name: { value: 'NAME' },
  every: { value: '10s' },
  ttl: { value: '10s' },
  once: {},
  json: {},
} as const satisfies Record<string, OptionSpec>;

const nameDefault = 'holdfast reconcile';

/** What a module exports; each may be a promise. */
type Exports = Partial<Omit<ReconcilerOptions, 'ports'>> & {
  readonly records?: Records<never>;
  readonly close?: () => unknown;
};

/** `holdfast reconcile MODULE`: elects itself, and resolves frozen requests as the module says. */
export async function reconcile(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [file, ...excess] = positionals;
  if (file === undefined || file === '') throw usage('the module is missing: holdfast reconcile MODULE');
  if (excess.length > 0) throw usage(`reconcile takes one module, not also "${excess[0]}"`);
  const everyMs = duration('--every', values.every, limits.reconcileEveryMsMin, limits.durationMsMax);
  const ttlMs = duration('--ttl', values.ttl, limits.ttlMsMin, limits.ttlMsMax);
  const name = cliName(values.name ?? nameDefault, 'reconcile --name NAME MODULE');
  const { records, close, ...options } = await load(file);
  try {
    if (records === undefined)
      throw usage(`${file} exports no records: export const records = postgresRecords(pool), or those of another store`);
    const job = reconciler(records, { ...options, ...(everyMs === undefined ? {} : { everyMs }) } as ReconcilerOptions);
    report(job, switches.has('json'));
    return await withStore(values.backend, (locks) => {
      const election = { name, ...(ttlMs === undefined ? {} : { ttlMs }) };
      return switches.has('once') ? once(locks, job, election, switches.has('json')) : untilEnded(locks, job, election);
    });
  } finally {
    await close?.();
  }
}

interface Election {
  readonly name: string;
  readonly ttlMs?: number;
}

function duration(option: string, text: string | undefined, minMs: number, maxMs: number): number | undefined {
  return text === undefined ? undefined : parseDuration(option, text, { minMs, maxMs });
}

async function load(file: string): Promise<Exports> {
  const { default: whole, ...named } = (await loadModule(file)).exports;
  const all = { ...(typeof whole === 'object' ? whole : {}), ...named };
  const settled = await Promise.all(
    Object.entries(all).map(async ([key, value]) => [key, await settledExport(file, key, value)]),
  );
  return Object.fromEntries(settled) as Exports;
}

/** @throws CliError if it is a promise that rejects; errors of ours as they are */
async function settledExport(file: string, key: string, value: unknown): Promise<unknown> {
  try {
    return await value;
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw new CliError(exit.unavailable, `${file} cannot be used: its export ${key} failed: ${textOf(error)}`);
  }
}

/** One pass under a term of its own; or none, if somebody else is at it. */
async function once(locks: Holdfast, job: Reconciler, { name, ttlMs }: Election, json: boolean): Promise<number> {
  const options = { ifAvailable: true, alone: true, ...(ttlMs === undefined ? {} : { ttlMs }) } as const;
  const summary = await locks.request(name, options, async (lease) => {
    if (lease === null) return undefined;
    const term = { term: lease.fence, signal: lease.signal, assertLeading: () => lease.assertHeld() };
    const first = await job.pass(term);
    if (first.lookAgainMs === undefined) return first;
    // Their store does not say how old they are: who stands still for so long is over.
    await sleep(first.lookAgainMs, undefined, { signal: lease.signal });
    return added(first, await job.pass(term));
  });
  if (summary === undefined) {
    say(`somebody else leads "${name}" and reconciles: nothing was done here`);
    return exit.notObtained;
  }
  print(json ? jsonLine({ summary }) : `${sentence(summary)}\n`);
  // Whoever is overtaken here while it leads alone has met a term of another store: nobody resolves that record.
  const open = summary.unknown + summary.notResolved + summary.overtaken;
  return open > 0 || summary.interrupted ? exit.unresolved : exit.ok;
}

function added(first: PassSummary, second: PassSummary): PassSummary {
  const { completed, failed, retried, disputed } = first;
  return {
    ...second,
    completed: completed + second.completed,
    failed: failed + second.failed,
    retried: retried + second.retried,
    disputed: disputed + second.disputed,
  };
}

function sentence({ completed, failed, retried, unknown, notResolved, overtaken, running, disputed }: PassSummary): string {
  const done = `resolved ${completed + failed + retried} (completed ${completed}, failed ${failed}, to be retried ${retried})`;
  return `${done}, disputed ${disputed}, still unknown ${unknown}, not resolved ${notResolved}, overtaken ${overtaken}, running ${running}`;
}

/** Campaigns, and reconciles whenever it leads, until a signal ends it. */
async function untilEnded(locks: Holdfast, job: Reconciler, { name, ttlMs }: Election): Promise<number> {
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => end.abort());
  const candidate = lead(locks, name, (term) => job.run(term), {
    signal: end.signal,
    metadata: { pid: process.pid },
    ...(ttlMs === undefined ? {} : { ttlMs }),
    onState(state) {
      if (state.state === 'leading') say(`leads "${name}" in term ${state.term}`);
      if (state.state === 'stepping-down') say(`steps down from term ${state.term}: ${state.because}`);
      if (state.state === 'campaigning' && state.error !== undefined) say(`campaigns again: ${textOf(state.error)}`);
    },
  });
  await candidate.ended;
  return exit.ok;
}

/** What happens, a line each: alerts go to standard error, as they do for a person who watches. */
function report(job: Reconciler, json: boolean): void {
  const tell = (event: string, recordKey: string | undefined, fields: Record<string, unknown>, text: string) => {
    const at = new Date(systemPorts().now().wallMs).toISOString();
    if (json) print(jsonLine({ at, event, recordKey: recordKey ?? null, ...fields }));
    else say(text);
  };
  job.on('resolved', ({ record, verdict, disputed, term }) => {
    const fields = { key: record.key, operation: record.operation, verdict, disputed, term: String(term) };
    const text = `${record.operation} "${record.key}": ${verdict}${disputed ? '; DISPUTED: the original says otherwise, somebody should look' : ''}`;
    tell('resolved', record.recordKey, fields, text);
  });
  job.on('unknown', ({ record, why, asked, term }) => {
    const fields = { key: record.key, operation: record.operation, why: why ?? null, asked, term: String(term) };
    tell(
      'unknown',
      record.recordKey,
      fields,
      `${record.operation} "${record.key}": UNKNOWN, stays frozen${why === undefined ? '' : `: ${why}`}`,
    );
  });
  job.on('overtaken', ({ recordKey }) =>
    tell('overtaken', recordKey, {}, `${recordKey}: a later term has it, or it was settled meanwhile`),
  );
  job.on('failed', ({ recordKey, error }) =>
    tell('failed', recordKey, { error: textOf(error) }, `${recordKey ?? 'the pass'}: ${textOf(error)}`),
  );
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
