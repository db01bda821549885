import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import { median } from '../lib/stats.mjs';
import { pick } from '../lib/suite.mjs';
import { percentiles } from '../lib/waits.mjs';
import { machine as redisMachine, start } from '../redis/suite.mjs';
import { versionOf } from '../stores/versions.mjs';

const script = fileURLToPath(new URL('./process.mjs', import.meta.url));
const listening = (key, label, settings) => ({ key, label, settings });

export const contenders = [
  listening('off', 'off', '`locks.request(name, work)` with ioredis, all options as they come, TTL 6 s; nobody listens'),
  listening('again', 'off, once more', 'the same: what its figures differ by is the noise of the run'),
  listening('prometheus', 'Prometheus metrics', 'the same after `prometheusMetrics({ groupOf })`'),
  listening(
    'opentelemetry',
    'OpenTelemetry metrics',
    'the same after `openTelemetryMetrics({ meterProvider, groupOf })`, with its SDK and a reader',
  ),
  listening('log', 'log', 'the same after `log(pino(…))`, which writes from `info` up; levels as they come'),
  listening(
    'context',
    'a context manager alone',
    'nobody listens; the process has a context manager of OpenTelemetry, as every traced one',
  ),
  listening(
    'traces-sampled',
    'traces, one in 100 sampled',
    'with `openTelemetryTracer({ tracerProvider })`, and the SDK’s sampler for a share of all traces',
  ),
  listening('traces', 'traces, all sampled', 'the same, and all spans are given to an exporter in batches'),
  listening(
    'spans',
    'the SDK’s spans alone',
    'nobody listens; there is a context manager, and under each lock four spans without attributes are made by hand',
  ),
  listening('log-turns', 'log, turns at `info`', 'two records for each pair, written to the null device'),
  listening('records', 'pino’s records alone', 'nobody listens; under each lock, two records of that size are written by hand'),
];
const [off] = contenders;

export const title = 'telemetry: one Redis server, one process with one connection, and who listens';

/** Short slices that take turns in one process, and many: what telemetry costs is less than what two processes, or two long rounds, differ by. */
const slices = (quick) => (quick ? { pairs: 20, warmUpPairs: 20 } : { pairs: 400, warmUpPairs: 12_000 });

export async function run({ quick, rounds = quick ? 2 : 80, contenders: wanted, folder, progress }) {
  const among = pick(contenders, wanted, 'contender');
  const server = await start({ folder });
  try {
    progress?.('one process, all in turn');
    const { port } = server.options;
    const keys = among.map(({ key }) => key).filter((key) => key !== off.key);
    const task = { port, keys: keys.length === 0 ? ['again'] : keys, rounds, ...slices(quick) };
    const { stdout } = await promisify(execFile)(process.execPath, [script, JSON.stringify(task)], { maxBuffer: 2 ** 28 });
    const measured = JSON.parse(stdout);
    const alone = Object.values(measured).flatMap((pairs) => pairs.map(({ off }) => ({ own: off, off })));
    const rows = among.map(({ key }) => ({ contender: key, ...summary(measured[key] ?? alone) }));
    const work = { key: 'solo', title: 'solo: one caller, free names', kind: 'telemetry' };
    return { suite: title, machine: machine(), quick, measured: [{ work, rows }], targets: judged(rows) };
  } finally {
    await server.stop();
  }
}

export function machine() {
  return [redisMachine(), ...['prom-client', '@opentelemetry/sdk-metrics', 'pino'].map(versionOf)].join(', ');
}

function summary(slicesOfTwo) {
  const own = slicesOfTwo.map((two) => two.own);
  const share = (figure) => median(slicesOfTwo.map((two) => figure(two.own) / figure(two.off)));
  return {
    pairsPerSecond: median(own.map(({ pairsPerSecond }) => pairsPerSecond)),
    ofOff: share(({ pairsPerSecond }) => pairsPerSecond),
    waitMs: percentiles(own.map(({ waits }) => waits)),
    cpuUsPerPair: median(own.map(({ cpuUs }) => cpuUs)),
    cpuOfOff: share(({ cpuUs }) => cpuUs),
  };
}

/** What a listener does its work with, where that takes its part whoever calls it. */
const libraries = { 'traces-sampled': 'context', traces: 'spans', 'log-turns': 'records' };

/** The share of the pairs per second that is left: of those without anybody, or of those with the library alone. */
function judged(rows) {
  const left = Object.fromEntries(rows.map(({ contender, ofOff = Number.NaN }) => [contender, ofOff]));
  const labels = Object.fromEntries(contenders.map(({ key, label }) => [key, label]));
  const target = (key, says, measured) => ({
    says: `${labels[key]}: at least 0.95 of the pairs per second ${says}`,
    measured,
    met: measured >= 0.95,
  });
  const listeners = ['prometheus', 'opentelemetry', 'log'].filter((key) => key in left);
  const beside = Object.entries(libraries).filter(([key, library]) => key in left && library in left);
  return [
    ...listeners.map((key) => target(key, 'without', left[key])),
    ...beside.map(([key, library]) => target(key, `with ${labels[library]}`, left[key] / left[library])),
  ];
}
