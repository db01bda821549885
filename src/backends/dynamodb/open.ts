import { NotSupportedError } from '../../core/errors.js';
import { type Driver, driverOf } from './client.js';
import type { DynamoDBOptions } from './options.js';
import { parseUrl } from './url.js';

/**
 * A client of our own.
 *
 * @throws InvalidArgumentError, NotSupportedError
 */
export async function openUrl(url: string): Promise<{ readonly driver: Driver; readonly options: DynamoDBOptions }> {
  const { region, endpoint, options } = parseUrl(url);
  const { DynamoDB } = await sdk();
  const client = new DynamoDB({ region, ...(endpoint === undefined ? {} : { endpoint }) });
  return { driver: driverOf(client, () => client.destroy()), options };
}

async function sdk() {
  try {
    return await import('@aws-sdk/client-dynamodb');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw new NotSupportedError('the AWS SDK is not installed: run "npm install @aws-sdk/client-dynamodb"');
  }
}
