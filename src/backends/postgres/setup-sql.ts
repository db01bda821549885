import { InvalidArgumentError } from '../../core/errors.js';
import { parseSchema } from './options.js';
import { grants, installation, installationOf } from './sql/setup.js';
import { identifier } from './sql/text.js';

/**
 * What Holdfast runs on its first use, as SQL for psql or a migration: where the application's role may not create a schema. May run
 * again.
 *
 * @param options.schema as given to `postgres()`; default: `holdfast`
 * @param options.role whom to allow the use of it: the role of the application, if another one runs this
 * @param options.definitions of a feature that keeps tables of its own, such as `outboxDefinitions` of `holdfast/outbox`; default: those of the locks
 * @throws InvalidArgumentError
 */
export function setupSql({
  schema,
  role,
  definitions,
}: {
  readonly schema?: string;
  readonly role?: string;
  readonly definitions?: (schema: string) => string;
} = {}): string {
  const checked = parseSchema(schema);
  const statements =
    definitions === undefined ? installation(checked).statements : installationOf(checked, definitions(identifier(checked)));
  if (role === undefined) return `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;\n${statements}\nCOMMIT;\n`;
  if (typeof role !== 'string' || role === '') throw new InvalidArgumentError('role must be the name of a role of the server');
  return `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;\n${statements}\n${grants(checked, role)}\nCOMMIT;\n`;
}
