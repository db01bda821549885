import { messageOf } from '../../core/calls.js';
import {
  BackendUnavailableError,
  HoldfastError,
  LimitExceededError,
  NotSupportedError,
  OutcomeUnknownError,
} from '../../core/errors.js';

/** An error of the SDK, as far as it is looked at. */
interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly $fault?: 'client' | 'server';
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
}

export function isNamed(error: unknown, ...names: readonly string[]): boolean {
  return names.includes((error as SdkError | undefined)?.name ?? '');
}

/** Whether the SDK had sent it before, so that an earlier copy may have been done. */
export function wasResent(error: unknown): boolean {
  return ((error as SdkError | undefined)?.$metadata?.attempts ?? 1) > 1;
}

interface Advice {
  readonly names: readonly string[];
  /** Asking again cannot help until somebody has mended it. */
  readonly permanent?: boolean;
  readonly fix: string;
}

const rights =
  'allow dynamodb:UpdateItem, GetItem and Scan on this table, for create: true also CreateTable, DescribeTable and UpdateTimeToLive';

const advice: readonly Advice[] = [
  {
    names: ['ProvisionedThroughputExceededException'],
    fix: 'the table or one of its partitions has less capacity than is used: switch to on-demand with aws dynamodb update-table --table-name TABLE --billing-mode PAY_PER_REQUEST, use longer TTLs, or raise pollMs',
  },
  {
    names: ['ThrottlingException', 'RequestLimitExceeded', 'Throttling', 'TooManyRequestsException'],
    fix: 'DynamoDB throttles this account or table: use longer TTLs, raise pollMs, or ask for a higher quota',
  },
  {
    names: ['ExpiredTokenException', 'ExpiredToken', 'CredentialsProviderError', 'TokenProviderError'],
    fix: 'give the client credentials that are renewed (a role, aws sso login), or new ones',
  },
  {
    names: [
      'UnrecognizedClientException',
      'InvalidSignatureException',
      'MissingAuthenticationTokenException',
      'InvalidClientTokenId',
    ],
    permanent: true,
    fix: 'give the client the credentials of this account and region',
  },
  { names: ['AccessDeniedException', 'AccessDenied', 'NotAuthorized'], permanent: true, fix: rights },
  {
    names: ['InternalServerError', 'ServiceUnavailable', 'ServiceUnavailableException'],
    fix: 'see the AWS health page of the region',
  },
  {
    names: ['KMSAccessDeniedException', 'InaccessibleEncryptionKeyException'],
    permanent: true,
    fix: 'enable the key that encrypts the table',
  },
  {
    names: ['UnknownOperationException', 'UnsupportedOperationException'],
    permanent: true,
    fix: 'this stand-in for DynamoDB does not know the operation',
  },
  { names: ['TransactionConflictException', 'ReplicatedWriteConflictException'], fix: 'another writer was faster: ask again' },
];

/** Errors of the way to the service before anything was sent. */
const notSent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ERR_INVALID_URL']);

/**
 * What a call ended with, as one of our errors.
 *
 * @param writes whether it may have changed something
 */
export function fault(error: unknown, doing: string, writes: boolean): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const said = saidBy(error);
  const details = { cause: error };
  if (isNamed(error, 'ValidationException')) return invalid(error, said);
  if (messageOf(error).startsWith('Region is missing')) {
    const fix = 'give the client a region, or set AWS_REGION';
    return new BackendUnavailableError(`DynamoDB: ${said}: ${fix}`, { ...details, permanent: true });
  }
  const known = advice.find(({ names }) => isNamed(error, ...names));
  const fix = known?.fix ?? 'check that its endpoint can be reached from here';
  const message = `DynamoDB failed while ${doing}: ${said}: ${fix}`;
  if (writes && (wasResent(error) || !isRefusal(error))) return new OutcomeUnknownError(message, details);
  return new BackendUnavailableError(message, { ...details, permanent: known?.permanent === true });
}

/** The service said no, or it was never asked. */
function isRefusal(error: unknown): boolean {
  const { name, code, $fault, $metadata } = (error ?? {}) as SdkError;
  if (notSent.has(code ?? '') || name === 'CredentialsProviderError') return true;
  const status = $metadata?.httpStatusCode ?? 0;
  return $fault === 'client' && status >= 400 && status < 500;
}

function invalid(error: unknown, said: string): HoldfastError {
  const details = { cause: error };
  if (/[Ii]tem size/.test(said)) {
    return new LimitExceededError('DynamoDB takes items of up to 400 KB: store less under this key', details);
  }
  if (/key element|Key.*schema|schema/i.test(said)) {
    const fix = 'the table must have the string "name" as its only key: use another table, or create: true for a new one';
    return new NotSupportedError(`DynamoDB: ${said}: ${fix}`, details);
  }
  return new BackendUnavailableError(`DynamoDB refuses what Holdfast asks: ${said}: report it with the version of the service`, {
    ...details,
    permanent: true,
  });
}

function saidBy(error: unknown): string {
  const { name = '', code } = Object(error) as SdkError;
  const message = messageOf(error);
  // Node wraps the errors of several addresses in one that says nothing.
  const text = message === '' ? (code ?? name) : message;
  return name === '' || name === 'Error' || text.startsWith(name) ? text : `${name}: ${text}`;
}

export function missingTable(table: string, cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(
    `DynamoDB has no table "${table}" in this account and region: pass create: true, or run ${createCommand(table)}`,
    { cause, permanent: true },
  );
}

/** What a person runs in place of `create: true`. */
export function createCommand(table: string): string {
  return `aws dynamodb create-table --table-name ${table} --attribute-definitions AttributeName=name,AttributeType=S --key-schema AttributeName=name,KeyType=HASH --billing-mode PAY_PER_REQUEST && aws dynamodb wait table-exists --table-name ${table} && ${timeToLiveCommand(table)}`;
}

export function timeToLiveCommand(table: string): string {
  return `aws dynamodb update-time-to-live --table-name ${table} --time-to-live-specification Enabled=true,AttributeName=expires_at`;
}
