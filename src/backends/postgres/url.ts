import { InvalidArgumentError } from '../../core/errors.js';
import { type PostgresOptions, parseSchema } from './options.js';

export interface Target {
  /** For the client library, without what is ours. */
  readonly url: string;
  readonly options: PostgresOptions;
}

const forms = 'postgres://user:password@host:5432/database?schema=holdfast';

/**
 * `postgres://…` or `postgresql://…` as client libraries take it; `schema=…` and `listen=false` are ours.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL, which may hold a password
 */
export function parseUrl(text: string): Target {
  if (!/^postgres(?:ql)?:\/\//i.test(text)) throw new InvalidArgumentError(`this is no PostgreSQL URL: write it like ${forms}`);
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new InvalidArgumentError(
      `this PostgreSQL URL cannot be read: write it like ${forms}, with %XX for special characters in user and password`,
    );
  }
  const schema = url.searchParams.get('schema') ?? undefined;
  const listen = url.searchParams.get('listen') ?? 'true';
  if (listen !== 'true' && listen !== 'false') throw new InvalidArgumentError('the parameter listen is "true" or "false"');
  url.searchParams.delete('schema');
  url.searchParams.delete('listen');
  return { url: url.href, options: { schema: parseSchema(schema), listen: listen === 'true' } };
}
