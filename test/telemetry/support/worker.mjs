// A holder in a process of its own, with metrics: `worker.mjs <file> <name> <ttlMs>`; answers in lines of JSON, obeys words on standard input.
import process from 'node:process';
import { createInterface } from 'node:readline';
import { Holdfast } from 'holdfast';
import { sqlite } from 'holdfast/sqlite';
import { prometheusMetrics } from 'holdfast/telemetry/prometheus';
import { Registry } from 'prom-client';

const [file, name, ttlMs] = process.argv.slice(2);
const register = new Registry();
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

prometheusMetrics({ register });
const locks = new Holdfast(sqlite(file), { ttlMs: Number(ttlMs) });
await locks.acquire(name);
say({ held: true });
createInterface(process.stdin).on('line', async () => say({ text: await register.metrics() }));
