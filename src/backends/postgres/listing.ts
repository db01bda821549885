import { asciiName } from '../../core/ascii.js';
import type { LockRecord } from '../../core/backend.js';
import { encodeName } from '../../core/name.js';
import { nameOf, recordOf, type Shown } from './answers.js';
import type { Commands } from './commands.js';

/** Names of one page: each page is of one moment. */
const pageNames = 1_000;

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
    const [last, found] = JSON.parse(reply ?? '[null,[]]') as [
      string | null,
      readonly (Shown & Pick<LockRecord, 'name' | 'state'>)[],
    ];
    for (const shown of found) yield recordOf(shown, shown.state, nameOf(shown.name), schema);
    after = last;
  } while (after !== null);
}
