import type { Backend, LockRecord } from '../core/backend.js';
import type { Holdfast } from '../core/holdfast.js';
import { type OptionSpec, parse } from './args.js';
import { canAsk, confirm } from './confirm.js';
import { roughDuration } from './duration.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson } from './json.js';
import { cliName } from './name.js';
import { noteRevocation } from './revocations.js';
import { print, say } from './say.js';
import { withStore } from './session.js';
import { quoted } from './table.js';

const specs = {
  backend: { value: 'URL' },
  reason: { value: 'TEXT' },
  'if-fence': { value: 'N' },
  yes: { short: 'y' },
  json: {},
} as const satisfies Record<string, OptionSpec>;

interface Order {
  readonly name: string;
  readonly reason: string;
  readonly ifFence: bigint | undefined;
  readonly json: boolean;
  /** Whether a person is asked first. */
  readonly asks: boolean;
}

/** `holdfast revoke NAME --reason TEXT`: ends every hold on the name. Nobody holding it is a failure only where a fence was named. */
export async function revoke(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [given, ...excess] = positionals;
  const name = cliName(given, 'revoke NAME --reason TEXT');
  if (excess.length > 0) throw usage(`revoke takes one name, not also "${excess[0]}": quote the reason`);
  const reason = values.reason?.trim();
  if (reason === undefined) throw usage('--reason is missing: say why, it is shown to the holder');
  if (reason === '') throw usage('--reason is empty: is a variable unset?');
  const ifFence = fenceIn(values['if-fence']);
  const order = { name, reason, ifFence, json: switches.has('json'), asks: !switches.has('yes') && canAsk() };
  return withStore(values.backend, (locks, backend) => carryOut(locks, backend, order));
}

function fenceIn(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (text.trim() === '') throw usage('--if-fence is empty: is a variable unset?');
  if (!/^\d{1,19}$/.test(text.trim())) throw usage(`--if-fence is "${text}": give the FENCE that "holdfast inspect" shows`);
  return BigInt(text.trim());
}

async function carryOut(locks: Holdfast, backend: Backend, order: Order): Promise<number> {
  const { name, reason, json } = order;
  const meant = order.asks ? await asked(locks, order) : order.ifFence;
  if (meant === 'no') {
    say('nothing was revoked');
    return exit.unsafe;
  }
  const { ended } = await locks.revoke(name, { reason, ifFence: meant });
  if (ended.length === 0) return nothingEnded(locks, order, meant);
  const recorded = await noted(backend, order, ended);
  if (json) print(jsonLine({ name, ended: ended.map(lockJson), recorded }));
  for (const { node, fence } of json ? [] : ended) {
    print(`revoked ${quoted(name)} from process ${node.pid} on ${node.host} (fence ${fence}): the next fence is higher\n`);
  }
  return exit.ok;
}

/** The fence of the hold that the person saw and agreed to end: who comes after it is not meant. Undefined: any, or nobody is there. */
async function asked(locks: Holdfast, { name, ifFence }: Order): Promise<bigint | undefined | 'no'> {
  const { held, waiting } = await locks.inspect(name);
  const [first, ...others] = held;
  const isMeant = ifFence === undefined || held.some(({ fence }) => fence === ifFence);
  if (first === undefined || !isMeant) return ifFence;
  const more = others.length > 0 ? ` and ${others.length} more` : '';
  const next = waiting.length > 0 ? `; ${waiting.length} wait for it` : '';
  const question = `End the hold of ${holder(first)}${more} on ${quoted(name)}, held for ${roughDuration(first.sinceMs)}${next}?`;
  if (!(await confirm(question))) return 'no';
  return ifFence ?? first.fence ?? (await stillThere(locks, first));
}

/** Another library's lock has no fence that the store could compare: looked for once more, since the answer may have taken long. */
async function stillThere(locks: Holdfast, { name, ownerDigest }: LockRecord): Promise<undefined | 'no'> {
  const { held } = await locks.inspect(name);
  if (held.length === 0 || held.some((record) => record.ownerDigest === ownerDigest)) return undefined;
  say(`meanwhile ${quoted(name)} is held by ${held.map(holder).join(', ')}`);
  return 'no';
}

async function nothingEnded(locks: Holdfast, { name, json }: Order, meant: bigint | undefined): Promise<number> {
  if (meant === undefined) {
    print(json ? jsonLine({ name, ended: [], recorded: false }) : `nobody holds ${quoted(name)}: nothing was revoked\n`);
    return exit.ok;
  }
  const { held } = await locks.inspect(name);
  const there = held.length === 0 ? 'nobody holds it' : `it is held by ${held.map(holder).join(', ')}`;
  if (json) print(jsonLine({ name, ended: [], recorded: false, held: held.map(lockJson) }));
  say(`nobody holds ${quoted(name)} with fence ${meant}: ${there}; nothing was revoked`);
  return exit.unsafe;
}

/** The hold is over, whatever becomes of the note: a failure of it is told, and is not the command's. */
async function noted(backend: Backend, { name, reason }: Order, ended: readonly LockRecord[]): Promise<boolean> {
  const records = backend.records?.();
  if (records === undefined) return false;
  try {
    await noteRevocation(records, name, reason, ended);
    return true;
  } catch (error) {
    say(`it was revoked, but that could not be noted: ${error instanceof Error ? error.message : String(error)}`);
    return false;
  }
}

function holder({ node, fence }: LockRecord): string {
  if (node.pid === 0) return `somebody unknown (fence ${fence ?? 'unknown'})`;
  return `process ${node.pid} on ${node.host} (fence ${fence ?? 'unknown'})`;
}
