import { asciiName } from '../../core/ascii.js';
import type { LockRecord } from '../../core/backend.js';
import { encodeName, type LockName } from '../../core/name.js';
import { nameOf, recordOf, type Shown } from './answers.js';
import type { Commands } from './commands.js';

/** Names of one page: each page is of one moment. */
const pageNames = 1_000;

/** Everybody at one name: of the names that begin with it, it is the first. */
export async function recordsAt(
  commands: Commands,
  schema: string,
  name: LockName,
  timeoutMs: number,
): Promise<readonly LockRecord[]> {
  const [, records] = await page(commands, schema, asciiName(name.encoded), null, 1, timeoutMs);
  return records.filter((record) => record.name === name.text);
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
    const [last, records]: Page = await page(commands, schema, from, after, pageNames, timeoutMs);
    yield* records;
    after = last;
  } while (after !== null);
}

/** With the name that it ends with, unless it is the last. */
type Page = readonly [string | null, readonly LockRecord[]];

async function page(
  commands: Commands,
  schema: string,
  from: string,
  after: string | null,
  namesMax: number,
  timeoutMs: number,
): Promise<Page> {
  const reply = await commands.call('list', [from, after, namesMax], 'listing', timeoutMs);
  const [last, found] = JSON.parse(reply ?? '[null,[]]') as [
    string | null,
    readonly (Shown & Pick<LockRecord, 'name' | 'state'>)[],
  ];
  return [last, found.map((shown) => recordOf(shown, shown.state, nameOf(shown.name), schema))];
}
