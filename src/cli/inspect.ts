import type { Backend } from '../core/backend.js';
import { type OptionSpec, parse } from './args.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson } from './json.js';
import { cliName } from './name.js';
import { printable } from './printable.js';
import { type NotedRevocation, revocationsOf } from './revocations.js';
import { print, say } from './say.js';
import { withStore } from './session.js';
import { lockTable, quoted } from './table.js';

const specs = { backend: { value: 'URL' }, json: {} } as const satisfies Record<string, OptionSpec>;

/** `holdfast inspect NAME`: who holds one lock and who waits for it. A free lock is an answer, not a failure. */
export async function inspect(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [given, ...excess] = positionals;
  const name = cliName(given, 'inspect NAME');
  if (excess.length > 0) throw usage(`inspect takes one name, not also "${excess[0]}": quote it if it has spaces`);
  const { held, waiting, revocations } = await withStore(values.backend, async (locks, backend) => ({
    ...(await locks.inspect(name)),
    revocations: await noted(backend, name),
  }));
  if (switches.has('json')) {
    print(jsonLine({ name, held: held.map(lockJson), waiting: waiting.map(lockJson), revocations: revocations ?? null }));
    return exit.ok;
  }
  print(held.length + waiting.length === 0 ? `${quoted(name)} is free\n` : await lockTable([...held, ...waiting]));
  for (const one of revocations ?? []) print(sentence(one));
  return exit.ok;
}

/** Undefined where the store keeps none, or does not let them be read: who holds the lock is the answer. */
async function noted(backend: Backend, name: string): Promise<readonly NotedRevocation[] | undefined> {
  const records = backend.records?.();
  if (records === undefined) return undefined;
  try {
    return await revocationsOf(records, name);
  } catch (error) {
    say(`who has revoked it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function sentence({ at, by, reason, ended, endedCount }: NotedRevocation): string {
  const more = endedCount > ended.length ? ` and ${endedCount - ended.length} more` : '';
  const fences = ended.map(({ fence }) => fence ?? 'unknown').join(', ') + more;
  const when = at.slice(0, 19).replace('T', ' ');
  return `revoked ${when} UTC by ${printable(by.user)} on ${printable(by.host)}, fence ${fences}: ${printable(reason)}\n`;
}
