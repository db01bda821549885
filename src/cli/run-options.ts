import { limits } from '../core/limits.js';
import { type OptionSpec, parse } from './args.js';
import { formatDuration, parseDuration } from './duration.js';
import { usage } from './exit.js';
import { cliName } from './name.js';

export interface RunOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly backend: string | undefined;
  readonly shared: boolean;
  readonly ttlMs: number;
  /** Absent: for as long as it takes. */
  readonly waitMs: number | undefined;
  readonly maxHoldMs: number | undefined;
  readonly graceMs: number;
}

const specs = {
  backend: { value: 'URL' },
  ttl: { value: '10s' },
  wait: { value: '30s' },
  shared: {},
  'max-hold': { value: '5m' },
  grace: { value: '3s' },
} as const satisfies Record<string, OptionSpec>;

const shape = 'holdfast run NAME -- COMMAND';
const graceMsDefault = 3_000;
/**
 * A healthy lease is renewed after a third of its TTL, so two thirds are left when all is well. A grace of more than half
 * would have the command stopped after the first renewal that is late.
 */
const graceRatioMax = 1 / 2;
const graceRatioDefault = 1 / 3;

/** @throws CliError saying what is wrong with the command line */
export function parseRun(argv: readonly string[]): RunOptions {
  const split = argv.indexOf('--');
  const { values, switches, positionals } = parse(split < 0 ? argv : argv.slice(0, split), specs);
  if (split < 0) throw missingDashes(positionals);
  const [name, ...excess] = positionals;
  const checked = cliName(name, 'run NAME -- COMMAND');
  if (excess.length > 0) throw usage(`"${excess[0]}" is one word too many before the --: write ${shape}`);
  const command = argv.slice(split + 1);
  if (command.length === 0) throw usage(`the command is missing after the --: write ${shape}`);
  const ttlMs = duration('--ttl', values.ttl, limits.ttlMsMin, limits.ttlMsMax) ?? limits.ttlMsDefault;
  return {
    name: checked,
    command,
    backend: values.backend,
    shared: switches.has('shared'),
    ttlMs,
    waitMs: values.wait === 'forever' ? undefined : duration('--wait', values.wait, 0, limits.durationMsMax),
    maxHoldMs: duration('--max-hold', values['max-hold'], 1, limits.durationMsMax),
    graceMs: graceFor(values.grace, ttlMs),
  };
}

function duration(option: string, text: string | undefined, minMs: number, maxMs: number): number | undefined {
  return text === undefined ? undefined : parseDuration(option, text, { minMs, maxMs });
}

function graceFor(text: string | undefined, ttlMs: number): number {
  const graceMs = duration('--grace', text, 1, limits.durationMsMax);
  if (graceMs === undefined) return Math.min(graceMsDefault, ttlMs * graceRatioDefault);
  const maxMs = Math.floor(ttlMs * graceRatioMax);
  if (graceMs <= maxMs) return graceMs;
  const [grace, ttl, max] = [formatDuration(graceMs), formatDuration(ttlMs), formatDuration(maxMs)];
  throw usage(
    `--grace ${grace} does not fit into --ttl ${ttl}: the command must end before the lease does, and a renewal must have time to fail once; ` +
      `use at most ${max}, or a TTL of ${formatDuration(graceMs / graceRatioMax)} or more`,
  );
}

function missingDashes(positionals: readonly string[]) {
  const [name = 'NAME', ...command] = positionals;
  const meant = `holdfast run ${name} -- ${command.length > 0 ? command.join(' ') : 'COMMAND'}`;
  return usage(`-- is missing between the name and the command: write ${meant}`);
}
