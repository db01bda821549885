import process from 'node:process';
import type { Holdfast } from '../core/holdfast.js';
import { type OptionSpec, parse } from './args.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson, type Shown } from './json.js';
import { pause } from './pause.js';
import { isTerminal, print } from './say.js';
import { withStore } from './session.js';
import { lockTable, quoted } from './table.js';

const specs = { backend: { value: 'URL' }, json: {}, watch: {} } as const satisfies Record<string, OptionSpec>;

const watchEveryMs = 1_000;
const home = '\x1b[H';
const clearToEnd = '\x1b[J';
const clearScreen = '\x1b[2J';

interface View {
  readonly prefix: string;
  readonly json: boolean;
}

/** `holdfast query [PREFIX]`: everyone who holds or waits. */
export async function query(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [prefix = '', ...excess] = positionals;
  if (excess.length > 0) throw usage(`query takes one prefix, not also "${excess[0]}": quote it if it has spaces`);
  const view = { prefix, json: switches.has('json') };
  await withStore(values.backend, (locks) => (switches.has('watch') ? watch(locks, view) : show(locks, view)));
  return exit.ok;
}

async function show(locks: Holdfast, view: View): Promise<void> {
  print(await snapshot(locks, view));
}

async function snapshot(locks: Holdfast, { prefix, json }: View): Promise<string> {
  const { held, pending } = await locks.query(prefix);
  if (json) return jsonLine({ at: new Date().toISOString(), held: held.map(lockJson), waiting: pending.map(lockJson) });
  if (held.length + pending.length === 0)
    return `nobody holds or waits for ${prefix === '' ? 'anything' : `${quoted(prefix)}…`}\n`;
  return lockTable(byName(held, pending));
}

/** Holders before their waiters, and those in the order of the queue: sorting is stable. */
function byName(held: readonly Shown[], waiting: readonly Shown[]): readonly Shown[] {
  return [...held, ...waiting].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
}

/** Redraws on a terminal; elsewhere every snapshot follows the one before. Ends with SIGINT. */
async function watch(locks: Holdfast, view: View): Promise<void> {
  const redraw = isTerminal(1) && !view.json;
  const end = new AbortController();
  process.once('SIGINT', () => end.abort());
  if (redraw) print(clearScreen);
  while (!end.signal.aborted) {
    const text = await snapshot(locks, view);
    const at = new Date().toISOString().slice(0, 19).replace('T', ' ');
    // Drawn over the old picture and not after clearing it, which would flicker.
    print(
      redraw ? `${home}${at} UTC, every second, Ctrl-C ends\x1b[K\n\n${text.replaceAll('\n', '\x1b[K\n')}${clearToEnd}` : text,
    );
    await pause(watchEveryMs, end.signal);
  }
}
