import { InvalidArgumentError } from '../../core/errors.js';
import { parseSchema } from './options.js';
import { grants, installation } from './sql/setup.js';

/**
 * What Holdfast runs on its first use, as SQL for psql or a migration: where the application's role may not create a schema. May run
 * again.
 *
 * @param options.schema as given to `postgres()`; default: `holdfast`
 * @param options.role whom to allow the use of it: the role of the application, if another one runs this
 * @throws InvalidArgumentError
 */
export function setupSql({ schema, role }: { readonly schema?: string; readonly role?: string } = {}): string {
  const checked = parseSchema(schema);
  if (role === undefined) return `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;\n${installation(checked)}\nCOMMIT;\n`;
  if (typeof role !== 'string' || role === '') throw new InvalidArgumentError('role must be the name of a role of the server');
  return `BEGIN ISOLATION LEVEL READ COMMITTED, READ WRITE;\n${installation(checked)}\n${grants(checked, role)}\nCOMMIT;\n`;
}
