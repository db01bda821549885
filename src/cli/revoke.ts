import { type OptionSpec, parse } from './args.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson } from './json.js';
import { cliName } from './name.js';
import { print } from './say.js';
import { withStore } from './session.js';
import { quoted } from './table.js';

const specs = { backend: { value: 'URL' }, reason: { value: 'TEXT' }, json: {} } as const satisfies Record<string, OptionSpec>;

/** `holdfast revoke NAME --reason TEXT`: ends every hold on the name. Nobody holding it is not a failure. */
export async function revoke(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [given, ...excess] = positionals;
  const name = cliName(given, 'revoke NAME --reason TEXT');
  if (excess.length > 0) throw usage(`revoke takes one name, not also "${excess[0]}": quote the reason`);
  const reason = values.reason?.trim();
  if (reason === undefined) throw usage('--reason is missing: say why, it is shown to the holder');
  if (reason === '') throw usage('--reason is empty: is a variable unset?');
  const { ended } = await withStore(values.backend, (locks) => locks.revoke(name, { reason }));
  if (switches.has('json')) print(jsonLine({ name, ended: ended.map(lockJson) }));
  else if (ended.length === 0) print(`nobody holds ${quoted(name)}: nothing was revoked\n`);
  for (const { node, fence } of switches.has('json') ? [] : ended) {
    print(`revoked ${quoted(name)} from process ${node.pid} on ${node.host} (fence ${fence}): the next fence is higher\n`);
  }
  return exit.ok;
}
