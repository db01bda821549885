import { letters } from './letters.js';
import { tables } from './tables.js';
import { turn } from './turn.js';
import { version } from './version.js';
import { write } from './write.js';

/** Everything of the outbox, as statements that may run again. `s`: the schema, quoted. */
export function outboxDefinitions(s: string): string {
  const schema = s.slice(1, -1);
  return `${[tables, turn, letters].map((part) => part(s)).join('\n')}
INSERT INTO ${s}.outbox_meta VALUES (${version}, clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING;
${write(s, schema)}`;
}
