import { performance } from 'node:perf_hooks';
import process from 'node:process';
import type { Holdfast } from '../core/holdfast.js';
import { type OptionSpec, parse } from './args.js';
import { parseDuration } from './duration.js';
import { exit, usage } from './exit.js';
import { jsonLine } from './json.js';
import { pause } from './pause.js';
import { printable } from './printable.js';
import { isTerminal, print } from './say.js';
import { withStore } from './session.js';
import { Screen } from './top/screen.js';
import { topJson, topTable } from './top/table.js';
import { type Frame, Tally } from './top/tally.js';

const specs = {
  backend: { value: 'URL' },
  every: { value: '1s' },
  'group-by': { value: 'PATTERN' },
  once: {},
  json: {},
} as const satisfies Record<string, OptionSpec>;

const everyMsDefault = 1_000;
/** Each look reads all that is held and waited for. */
const everyMsMin = 200;
const everyMsMax = 3_600_000;

interface View {
  readonly prefix: string;
  readonly everyMs: number;
  readonly once: boolean;
  readonly json: boolean;
  readonly groupOf: (name: string) => string;
}

/** `holdfast top [PREFIX]`: what goes on, by groups of names, until somebody has seen enough. */
export async function top(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [prefix = '', ...excess] = positionals;
  if (excess.length > 0) throw usage(`top takes one prefix, not also "${excess[0]}": quote it if it has spaces`);
  const range = { minMs: everyMsMin, maxMs: everyMsMax };
  const everyMs = values.every === undefined ? everyMsDefault : parseDuration('--every', values.every, range);
  const groupOf = grouping(values['group-by']);
  const view = { prefix, everyMs, groupOf, once: switches.has('once'), json: switches.has('json') };
  return withStore(values.backend, (locks, backend) => {
    const { queue } = backend.traits;
    return isTerminal(1) && !view.once && !view.json ? live(locks, view, queue) : lines(locks, view, queue);
  });
}

/** By default the part before the first colon; else what the pattern finds, or its first group. */
function grouping(pattern: string | undefined): (name: string) => string {
  const expression = compiled(pattern ?? '^[^:]*');
  return (name) => {
    const found = expression.exec(name);
    return found === null ? '(other names)' : (found[1] ?? found[0]);
  };
}

function compiled(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u');
  } catch (error) {
    throw usage(`--group-by is no regular expression: ${(error as Error).message}`);
  }
}

async function look(locks: Holdfast, tally: Tally, prefix: string): Promise<Frame> {
  const { held, pending } = await locks.query(prefix);
  return tally.look({ atMs: performance.now(), records: [...held, ...pending] });
}

/** For pipes and scripts: one frame after the other. The first look only tells what there is, so frames begin with the second. */
async function lines(locks: Holdfast, { prefix, everyMs, once, json, groupOf }: View, queue: boolean): Promise<number> {
  const end = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => end.abort());
  const tally = new Tally(groupOf);
  await look(locks, tally, prefix);
  for (;;) {
    await pause(everyMs, end.signal);
    if (end.signal.aborted) return exit.ok;
    const frame = await look(locks, tally, prefix);
    const shape = { everyMs, queue, linesMax: Number.POSITIVE_INFINITY };
    print(json ? jsonLine(topJson(frame, new Date().toISOString(), shape)) : await topTable(frame, shape));
    if (once) return exit.ok;
  }
}

/** On a screen of its own. A store that does not answer for a while is said there, and is no end. */
async function live(locks: Holdfast, { prefix, everyMs, groupOf }: View, queue: boolean): Promise<number> {
  const tally = new Tally(groupOf);
  // The first failure ends it: then the URL is wrong, or the store away.
  let frame = await look(locks, tally, prefix);
  let trouble = '';
  const screen = new Screen();
  const draw = async () => {
    const at = new Date().toISOString().slice(0, 19).replace('T', ' ');
    const table = await topTable(frame, { everyMs, queue, linesMax: screen.lines - 3 });
    screen.draw(`${at} UTC, q or Ctrl-C ends ${trouble}\n\n${table}`);
  };
  const { signal } = screen.ended;
  const over = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined), { once: true }));
  // A terminal that cannot be written to is gone.
  screen.open(() => void draw().catch(() => screen.ended.abort()));
  try {
    while (!signal.aborted) {
      await draw();
      await pause(everyMs, signal);
      const seen = look(locks, tally, prefix).then(
        (next) => [next, ''] as const,
        (error: unknown) => [frame, printable(`| ${error instanceof Error ? error.message : String(error)}`)] as const,
      );
      // Whoever wants the end does not wait for a store.
      [frame, trouble] = (await Promise.race([seen, over])) ?? [frame, trouble];
    }
  } finally {
    screen.close();
  }
  return screen.status;
}
