import process from 'node:process';
import { nearest } from '../core/options.js';
import { exit, usage, verdict } from './exit.js';
import { print, say } from './say.js';

type Command = (argv: readonly string[]) => Promise<number>;

/** Each command is loaded when it is called: start-up time counts. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import('./run.js')).run,
  query: async () => (await import('./query.js')).query,
  inspect: async () => (await import('./inspect.js')).inspect,
  doctor: async () => (await import('./doctor.js')).doctor,
  revoke: async () => (await import('./revoke.js')).revoke,
  top: async () => (await import('./top.js')).top,
  outbox: async () => (await import('./outbox.js')).outbox,
  reconcile: async () => (await import('./reconcile.js')).reconcile,
  drill: async () => (await import('./drill.js')).drillCommand,
  'verify-guard': async () => (await import('./verify-guard.js')).verifyGuardCommand,
  rules: async () => (await import('./rules.js')).rules,
};

/** Runs one command line and returns the exit status. Never throws. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    // The reader of our output has gone (`holdfast query | head -1`): nothing is left to say.
    if ((error as NodeJS.ErrnoException | undefined)?.code === 'EPIPE') return exit.ok;
    if (process.env['HOLDFAST_DEBUG'] === '1') console.error(error);
    const { status, sentence } = verdict(error);
    say(sentence);
    return status;
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [word, ...rest] = argv;
  if (word === undefined) {
    throw usage('a command is missing: holdfast run NAME -- COMMAND, or see holdfast --help');
  }
  if (word === '--version' || word === '-V') return version();
  if (word === '--help' || word === '-h' || word === 'help') return help(rest[0]);
  const load = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (load === undefined) throw unknownCommand(word);
  if (asksForHelp(rest)) return help(word);
  return (await load())(rest);
}

/** Before the `--`: what follows it belongs to the command that is run. */
function asksForHelp(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).some((arg) => arg === '--help' || arg === '-h');
}

async function help(topic: string | undefined): Promise<number> {
  const { helpFor } = await import('./help.js');
  print(helpFor(topic));
  return exit.ok;
}

async function version(): Promise<number> {
  const { readFileSync } = await import('node:fs');
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };
  print(`holdfast ${manifest.version}\n`);
  return exit.ok;
}

function unknownCommand(word: string) {
  const known = Object.keys(commands);
  if (word.startsWith('-')) return usage(`unknown option ${word}: give a command first, one of ${known.join(', ')}`);
  const guess = nearest(word, known);
  const hint = guess === undefined ? `valid ones are ${known.join(', ')}` : `did you mean "${guess}"?`;
  return usage(`unknown command "${word}": ${hint}`);
}
