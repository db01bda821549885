import { asciiName } from '../../core/ascii.js';
import type { LockRecord } from '../../core/backend.js';
import { encodeName, type LockName } from '../../core/name.js';
import { nameOf, recordOf, type Shown } from './answers.js';
import type { Commands } from './commands.js';

/** Names of one page: each page is of one moment. */
const pageNames = 1_000;

type Listed = Shown & Pick<LockRecord, 'name' | 'state'>;

/** Everybody at one name. */
export async function recordsAt(
  commands: Commands,
  schema: string,
  name: LockName,
  timeoutMs: number,
): Promise<readonly LockRecord[]> {
  const reply = await commands.call('read', [asciiName(name.encoded)], 'reading a name', timeoutMs);
  return recordsOf(JSON.parse(reply ?? '[]') as readonly Listed[], schema);
}

/** Everybody below a prefix, in the order of the names. */
export async function* records(
  commands: Commands,
  schema: string,
  prefix: string,
  timeoutMs: number,
): AsyncGenerator<LockRecord> {
  const from = asciiName(encodeName(prefix));
  let after: string | null = null;
  do {
    const reply = await commands.call('list', [from, after, pageNames], 'listing', timeoutMs);
    const [last, found] = JSON.parse(reply ?? '[null,[]]') as [string | null, readonly Listed[]];
    yield* recordsOf(found, schema);
    after = last;
  } while (after !== null);
}

function recordsOf(found: readonly Listed[], schema: string): readonly LockRecord[] {
  return found.map((shown) => recordOf(shown, shown.state, nameOf(shown.name), schema));
}
