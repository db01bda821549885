import { InvalidArgumentError } from '../../core/errors.js';
import { ifInstalled, notInstalled, type OpenGuard } from '../installed.js';
import { s3Guard } from './index.js';

/** `s3://bucket/prefix/?region=…&endpoint=…`; the SDK finds the credentials by itself. @throws NotSupportedError, InvalidArgumentError */
export async function openGuard(url: string): Promise<OpenGuard> {
  const [, bucket = '', prefix = '', query = ''] = /^s3:\/\/([a-z0-9.-]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/i.exec(url) ?? [];
  if (bucket === '') throw new InvalidArgumentError('this is no S3 URL: write it like s3://bucket/prefix/?region=eu-central-1');
  const given = new URLSearchParams(query);
  const region = given.get('region');
  const endpoint = given.get('endpoint');
  const sdk = await ifInstalled(() => import('@aws-sdk/client-s3'));
  if (sdk === undefined) throw notInstalled('@aws-sdk/client-s3');
  const client = new sdk.S3({
    ...(region === null ? {} : { region }),
    // Services other than Amazon's seldom have a host name for each bucket.
    ...(endpoint === null ? {} : { endpoint, forcePathStyle: true }),
  });
  return { guard: s3Guard(client, { bucket, ...(prefix === '' ? {} : { prefix }) }), close: async () => client.destroy() };
}
