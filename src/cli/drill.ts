import process from 'node:process';
import { nearest } from '../core/nearest.js';
import { drill } from '../drill/drill.js';
import { faults } from '../drill/faults/index.js';
import { outcomeOf, type Report, reportJson } from '../drill/report.js';
import { type OptionSpec, parse } from './args.js';
import { drillText } from './drill-report.js';
import { openForDrill } from './drill-store.js';
import { parseDuration } from './duration.js';
import { exit, usage } from './exit.js';
import { jsonLine } from './json.js';
import { isTerminal, print, say } from './say.js';

const specs = {
  backend: { value: 'URL' },
  module: { value: 'FILE' },
  only: { value: 'FAULT,FAULT' },
  ttl: { value: '2s' },
  failover: {},
  json: {},
} as const satisfies Record<string, OptionSpec>;

/** Long enough that a machine with work to do renews in time, short enough that a drill is over within half a minute. */
const ttlMsDefault = 2_000;
/** Workers touch their leases every 10 ms, and a shorter lease says more about the machine than about the store. */
const ttlMsMin = 500;
const ttlMsMax = 60_000;

/** `holdfast drill`: what is promised of this store, tried with faults. */
export async function drillCommand(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  if (positionals.length > 0) throw usage(`drill takes no "${positionals[0]}": it uses names of its own`);
  const only = values.only === undefined ? undefined : chosen(values.only);
  const ttlMs =
    values.ttl === undefined ? ttlMsDefault : parseDuration('--ttl', values.ttl, { minMs: ttlMsMin, maxMs: ttlMsMax });
  const { backend, around } = await openForDrill({ ...values, failOver: switches.has('failover') });
  const { signal, ended } = untilSignalled();
  const onFault = isTerminal(2) ? ({ id, title }: { id: string; title: string }) => say(`${id}: ${title}`) : undefined;
  let report: Report;
  try {
    report = await drill(backend, around, {
      ttlMs,
      signal,
      ...(only === undefined ? {} : { only }),
      ...(onFault === undefined ? {} : { onFault }),
    });
  } catch (error) {
    const status = ended();
    if (status === undefined) throw error;
    say('interrupted: the workers have ended, and what they held was given back, or ends with its TTL');
    return status;
  }
  print(switches.has('json') ? jsonLine(reportJson(report)) : await drillText(report));
  return { held: exit.ok, broken: exit.unsafe, untried: exit.unavailable }[outcomeOf(report)];
}

function chosen(text: string): readonly string[] {
  const known = faults.map(({ id }) => id);
  return text.split(',').map((word) => {
    const id = word.trim();
    if (known.includes(id)) return id;
    const guess = nearest(id, known);
    throw usage(`no fault "${id}": ${guess === undefined ? `there are ${known.join(', ')}` : `did you mean ${guess}?`}`);
  });
}

/** The first signal that asks for an end: what it aborts, and the exit status that it stands for. */
function untilSignalled(): { readonly signal: AbortSignal; readonly ended: () => number | undefined } {
  const end = new AbortController();
  let status: number | undefined;
  for (const [name, number] of [
    ['SIGINT', 2],
    ['SIGTERM', 15],
    ['SIGHUP', 1],
  ] as const) {
    process.on(name, () => {
      status ??= exit.signalBase + number;
      end.abort();
    });
  }
  return { signal: end.signal, ended: () => status };
}
