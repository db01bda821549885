import { InvalidArgumentError } from '../../core/errors.js';

// The part of `@aws-sdk/client-s3` (3.700 or later) that is called. The package is not imported.

interface ObjectInput {
  readonly Bucket: string;
  readonly Key: string;
}

export interface Head {
  readonly ETag?: string | undefined;
  readonly Metadata?: Record<string, string> | undefined;
  readonly ContentType?: string | undefined;
  /** Of a lifecycle rule that will delete the object. */
  readonly Expiration?: string | undefined;
}

/** The aggregated client: `new S3({ … })`. */
export interface S3Client {
  headObject(input: ObjectInput): Promise<Head>;
  getObject(input: ObjectInput): Promise<Head & { readonly Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined }>;
  putObject(
    input: ObjectInput & {
      readonly Body: Uint8Array;
      readonly Metadata: Record<string, string>;
      readonly ContentType?: string;
      readonly IfMatch?: string;
      readonly IfNoneMatch?: '*';
    },
  ): Promise<object>;
}

/** @throws InvalidArgumentError */
export function checkedClient(client: S3Client): S3Client {
  const needed = ['headObject', 'getObject', 'putObject'] as const;
  if (needed.every((method) => typeof Object(client)[method] === 'function')) return client;
  throw new InvalidArgumentError('s3Guard() needs the aggregated client of the AWS SDK 3: new S3({ … }) of @aws-sdk/client-s3');
}

interface SdkError {
  readonly $fault?: 'client' | 'server';
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

function statusOf(error: unknown): number {
  return (error as SdkError | undefined)?.$metadata?.httpStatusCode ?? 0;
}

/** Whether the SDK had sent it before, so that an earlier copy may have been done. */
export function wasResent(error: unknown): boolean {
  return ((error as SdkError | undefined)?.$metadata?.attempts ?? 1) > 1;
}

export function isAbsent(error: unknown): boolean {
  return statusOf(error) === 404;
}

/** The condition did not hold (412; 404 for a match with nothing), or another write was under way (409): look again. */
export function isConflict(error: unknown): boolean {
  return [404, 409, 412].includes(statusOf(error)) && !['NoSuchBucket'].includes((error as Error).name);
}

/** The service said no, to the only copy that was sent. */
export function isRefusal(error: unknown): boolean {
  const status = statusOf(error);
  return (error as SdkError | undefined)?.$fault === 'client' && status >= 400 && status < 500 && !wasResent(error);
}
