import { parseArgs } from 'node:util';
import { nearest } from '../core/options.js';
import { usage } from './exit.js';

/** One option: its one-letter form, and the placeholder of its value; without one it is a switch. */
export interface OptionSpec {
  readonly value?: string;
  readonly short?: string;
}

export interface Args<Name extends string> {
  readonly values: { readonly [K in Name]?: string };
  readonly switches: ReadonlySet<Name>;
  readonly positionals: readonly string[];
}

/**
 * Node's own parser finds the tokens; what they mean and every complaint is ours. (commander does more, and takes
 * 13 ms to load: a tenth of the start-up time of a process that is started by cron.)
 *
 * @throws CliError naming the option, and the nearest valid one
 */
export function parse<Name extends string>(argv: readonly string[], specs: Readonly<Record<Name, OptionSpec>>): Args<Name> {
  const options: Record<string, { type: 'string' | 'boolean'; short?: string }> = {};
  for (const [name, spec] of Object.entries<OptionSpec>(specs)) {
    options[name] = {
      type: spec.value === undefined ? 'boolean' : 'string',
      ...(spec.short === undefined ? {} : { short: spec.short }),
    };
  }
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const values: { [K in Name]?: string } = {};
  const switches = new Set<Name>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(specs, token.name)) throw unknownOption(token.rawName, Object.keys(specs));
    const name = token.name as Name;
    if (specs[name].value === undefined) switches.add(plainSwitch(name, token.value));
    else values[name] = givenValue(name, specs[name].value, token.value);
  }
  return { values, switches, positionals };
}

function plainSwitch<Name extends string>(name: Name, value: string | undefined): Name {
  if (value !== undefined) throw usage(`--${name} takes no value: leave out "=${value}"`);
  return name;
}

function givenValue(name: string, placeholder: string, value: string | undefined): string {
  if (value === undefined || value.startsWith('--')) throw usage(`--${name} needs a value: --${name} ${placeholder}`);
  return value;
}

function unknownOption(raw: string, known: readonly string[]) {
  const guess = nearest(raw.replace(/^-+/, ''), known);
  const hint = guess === undefined ? `valid ones are ${known.map((k) => `--${k}`).join(', ')}` : `did you mean --${guess}?`;
  const name = raw.startsWith('--') ? '' : ' (a lock name may not start with "-")';
  return usage(`unknown option ${raw}${name}: ${hint}`);
}
