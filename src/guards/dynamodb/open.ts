import { InvalidArgumentError } from '../../core/errors.js';
import { ifInstalled, notInstalled, type OpenGuard } from '../installed.js';
import { dynamodbGuard } from './index.js';

/** `dynamodb://region/table?endpoint=…`; the SDK finds the credentials by itself. @throws NotSupportedError, InvalidArgumentError */
export async function openGuard(url: string): Promise<OpenGuard> {
  const [, region = '', table = '', query = ''] = /^dynamodb:\/\/([a-z0-9-]+)(?:\/([^/?#]+))?(?:\?([^#]*))?$/i.exec(url) ?? [];
  if (region === '')
    throw new InvalidArgumentError('this is no DynamoDB URL: write it like dynamodb://eu-central-1/holdfast_marks');
  const endpoint = new URLSearchParams(query).get('endpoint');
  const sdk = await ifInstalled(() => import('@aws-sdk/client-dynamodb'));
  if (sdk === undefined) throw notInstalled('@aws-sdk/client-dynamodb');
  const client = new sdk.DynamoDB({ region, ...(endpoint === null ? {} : { endpoint }) });
  return { guard: dynamodbGuard(client, table === '' ? {} : { table }), close: async () => client.destroy() };
}
