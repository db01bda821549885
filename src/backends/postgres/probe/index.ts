import type { Finding } from '../../../core/backend.js';
import type { Commands } from '../commands.js';
import type { Driver } from '../driver.js';
import { durability } from './durability.js';
import { factsOf } from './facts.js';
import { pooler } from './pooler.js';
import { server } from './server.js';
import { sessions } from './sessions.js';
import { ourTables } from './tables.js';

/**
 * What could make this store unsafe or slow, read from the server.
 *
 * @throws BackendUnavailableError, OutcomeUnknownError
 */
export async function findings(
  driver: Driver,
  listener: Driver | undefined,
  commands: Commands,
  schema: string,
  timeoutMs: number,
): Promise<readonly Finding[]> {
  // Once before, so that a connection is there, and the clock is read in one round trip.
  await commands.query('SELECT 1 AS r', 'looking at the server', timeoutMs);
  const sentMs = Date.now();
  const facts = await factsOf(commands, schema, timeoutMs);
  const found = [
    ...server(facts, sentMs, Date.now()),
    ...durability(facts, schema),
    ...ourTables(facts, schema),
    ...sessions(facts),
  ];
  // A server in recovery can notify nobody.
  return facts.recovery ? found : [...found, ...(await pooler(driver, listener, commands, timeoutMs))];
}
