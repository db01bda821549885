import { InvalidArgumentError } from '../../core/errors.js';
import type { DynamoDBOptions } from './options.js';

export interface Target {
  readonly region: string;
  /** Of a stand-in for the service, or a VPC endpoint. */
  readonly endpoint: string | undefined;
  readonly options: DynamoDBOptions;
}

const form = 'dynamodb://eu-central-1/table?create=true&prefix=…&endpoint=http://127.0.0.1:8000';
const parameters = ['endpoint', 'create', 'prefix', 'pollMs', 'deadAfterMs'];

/**
 * The SDK finds the credentials by itself; a URL has none.
 *
 * @throws InvalidArgumentError; its message repeats nothing of the URL but names of parameters
 */
export function parseUrl(url: string): Target {
  const match = /^dynamodb:\/\/([^@/?#]*)(?:\/([^/?#]*))?(?:\?([^#]*))?$/i.exec(url);
  if (match === null) {
    throw new InvalidArgumentError(
      `this is no DynamoDB URL: write it like ${form}; credentials come from the environment or a profile`,
    );
  }
  const [, region = '', table = '', query = ''] = match;
  if (!/^[a-z0-9-]+$/.test(region)) throw new InvalidArgumentError(`the region is missing: write it like ${form}`);
  const given = new URLSearchParams(query);
  for (const key of given.keys()) {
    if (!parameters.includes(key)) {
      throw new InvalidArgumentError(`the URL has the unknown parameter "${key}": known ones are ${parameters.join(', ')}`);
    }
  }
  const prefix = given.get('prefix');
  const numbers = (['pollMs', 'deadAfterMs'] as const)
    .filter((key) => given.has(key))
    .map((key) => [key, Number(given.get(key))]);
  return {
    region,
    endpoint: parseEndpoint(given.get('endpoint')),
    options: {
      ...(table === '' ? {} : { table: decode(table) }),
      ...(prefix === null ? {} : { prefix }),
      ...Object.fromEntries(numbers),
      create: parseCreate(given.get('create')),
    },
  };
}

function parseEndpoint(text: string | null): string | undefined {
  if (text === null) return undefined;
  if (!/^https?:\/\/[^/@]+\/?$/.test(text) || !URL.canParse(text)) {
    throw new InvalidArgumentError(`endpoint is the URL of a host, as in ${form}`);
  }
  return text;
}

function parseCreate(text: string | null): boolean {
  if (text !== null && text !== 'true' && text !== 'false')
    throw new InvalidArgumentError(`create is true or false, as in ${form}`);
  return text === 'true';
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError('the URL has a "%" that starts no escape: write it as %25');
  }
}
