import type { Finding } from '../../../core/backend.js';
import { identifier } from '../sql/text.js';
import type { Facts } from './facts.js';

const lost =
  'a grant that was answered can be gone after it: the name is granted a second time while the first holder works, until its next renewal says so';

/** What a crash or a failover takes back. */
export function durability({ settings, standbys, tables, role }: Facts, schema: string): readonly Finding[] {
  const found: Finding[] = [];
  if (settings['fsync'] === 'off' || settings['full_page_writes'] === 'off') {
    const which = settings['fsync'] === 'off' ? 'fsync' : 'full_page_writes';
    found.push({
      severity: 'critical',
      what: `${which} is off`,
      why: `a failure of the machine can destroy the whole database; and ${lost}`,
      fix: `ALTER SYSTEM SET ${which} = on; SELECT pg_reload_conf();`,
    });
  }
  if (settings['synchronous_commit'] === 'off') {
    found.push({
      severity: 'critical',
      what: 'synchronous_commit is off',
      why: `a crash of the server takes back what was committed in the last moments: ${lost}`,
      fix: `ALTER ROLE "${role}" SET synchronous_commit = on; and connect anew`,
    });
  }
  const isSynchronous = (settings['synchronous_standby_names'] ?? '') !== '' && settings['synchronous_commit'] !== 'local';
  if (standbys.length > 0 && !isSynchronous) {
    found.push({
      severity: 'warning',
      what: `${standbys.length === 1 ? 'the standby follows' : `${standbys.length} standbys follow`} asynchronously`,
      why: `after a failover to a standby that did not have the last commits, ${lost}. Fences stay in order if the clocks of the servers agree within the failover`,
      fix: "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf();",
    });
  }
  const unlogged = tables.filter((table) => table.unlogged).map(({ name }) => name);
  if (unlogged.length > 0) {
    found.push({
      severity: 'critical',
      what: `not logged: ${unlogged.join(', ')}`,
      why: `a crash empties such a table, and no standby has it: ${lost}`,
      fix: unlogged.map((name) => `ALTER TABLE ${identifier(schema)}.${identifier(name)} SET LOGGED;`).join(' '),
    });
  }
  return found;
}
