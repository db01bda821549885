import { type OptionSpec, parse } from './args.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson } from './json.js';
import { cliName } from './name.js';
import { print } from './say.js';
import { withStore } from './session.js';
import { lockTable, quoted } from './table.js';

const specs = { backend: { value: 'URL' }, json: {} } as const satisfies Record<string, OptionSpec>;

/** `holdfast inspect NAME`: who holds one lock and who waits for it. A free lock is an answer, not a failure. */
export async function inspect(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [given, ...excess] = positionals;
  const name = cliName(given, 'inspect NAME');
  if (excess.length > 0) throw usage(`inspect takes one name, not also "${excess[0]}": quote it if it has spaces`);
  const { held, waiting } = await withStore(values.backend, (locks) => locks.inspect(name));
  if (switches.has('json')) print(jsonLine({ name, held: held.map(lockJson), waiting: waiting.map(lockJson) }));
  else if (held.length + waiting.length === 0) print(`${quoted(name)} is free\n`);
  else print(await lockTable([...held, ...waiting]));
  return exit.ok;
}
