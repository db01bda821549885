import { describe, expect, it } from 'vitest';
import { dynamodb } from '../../src/backends/dynamodb/index.js';
import { awakeMs, thrownBy } from '../support/waits.js';
import { ask, heldOf } from './support.js';

/** What the SDK throws, as far as it is looked at. */
function sdkError(name: string, more: object = {}): Error {
  return Object.assign(new Error('as the test wants it'), {
    name,
    $fault: 'client',
    $metadata: { httpStatusCode: 400 },
    ...more,
  });
}

/** A client that cannot do anything. */
function failing(error: unknown) {
  const fail = async (): Promise<never> => {
    throw error;
  };
  return dynamodb({
    getItem: fail,
    updateItem: fail,
    scan: fail,
    describeTable: fail,
    describeTimeToLive: fail,
    describeContinuousBackups: fail,
    createTable: fail,
    updateTimeToLive: fail,
  });
}

const server = { $fault: 'server', $metadata: { httpStatusCode: 500 } };

describe('an error of the SDK', () => {
  it.each([
    [sdkError('ThrottlingException'), 'BACKEND_UNAVAILABLE', false, /higher quota$/],
    [
      sdkError('ThrottlingException', { $metadata: { httpStatusCode: 400, attempts: 3 } }),
      'OUTCOME_UNKNOWN',
      false,
      /higher quota$/,
    ],
    [sdkError('ProvisionedThroughputExceededException'), 'BACKEND_UNAVAILABLE', false, /PAY_PER_REQUEST/],
    [sdkError('ExpiredTokenException'), 'BACKEND_UNAVAILABLE', false, /credentials that are renewed/],
    [sdkError('UnrecognizedClientException'), 'BACKEND_UNAVAILABLE', true, /credentials of this account/],
    [sdkError('AccessDeniedException'), 'BACKEND_UNAVAILABLE', true, /allow dynamodb:UpdateItem, GetItem and Scan/],
    [sdkError('ResourceNotFoundException'), 'BACKEND_UNAVAILABLE', true, /create-table/],
    [sdkError('ValidationException'), 'BACKEND_UNAVAILABLE', true, /report it/],
    [sdkError('InternalServerError', server), 'OUTCOME_UNKNOWN', false, /health page/],
    [
      Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }),
      'BACKEND_UNAVAILABLE',
      false,
      /endpoint can be reached/,
    ],
    [
      Object.assign(new Error(''), { name: 'AggregateError', code: 'ECONNREFUSED' }),
      'BACKEND_UNAVAILABLE',
      false,
      /ECONNREFUSED/,
    ],
    [Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }), 'OUTCOME_UNKNOWN', false, /endpoint can be reached/],
    [new Error('Region is missing'), 'BACKEND_UNAVAILABLE', true, /AWS_REGION/],
    [sdkError('CredentialsProviderError', { $metadata: {} }), 'BACKEND_UNAVAILABLE', false, /credentials/],
  ] as const)('%s says what to do', async (error, code, permanent, said) => {
    const store = failing(error);
    const thrown = await thrownBy(store.acquire(ask('a')));
    expect(thrown).toMatchObject({ code, permanent, cause: error, message: expect.stringMatching(said) });
    const [renewal] = await store.renew([heldOf(ask('a'))]);
    const gone = error.name === 'ResourceNotFoundException';
    expect(renewal).toMatchObject(gone ? { outcome: 'gone' } : { outcome: 'unknown', cause: { code } });
  });

  it('from a read leaves no doubt', async () => {
    const store = failing(sdkError('InternalServerError', server));
    const { value } = { value: store.list('')[Symbol.asyncIterator]() };
    expect(await thrownBy(value.next())).toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  });

  it('that never comes is waited for no longer than the deadline', async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const never = (_input: object, options: { abortSignal?: AbortSignal } = {}) => {
      signals.push(options.abortSignal);
      return new Promise<never>(() => {});
    };
    const store = dynamodb({ getItem: never, updateItem: never, scan: never } as never);
    const sinceMs = awakeMs();
    expect(await thrownBy(store.acquire(ask('a', { ttlMs: 1_000 })))).toMatchObject({ code: 'OUTCOME_UNKNOWN' });
    expect(await store.renew([heldOf(ask('a', { ttlMs: 1_000 }))])).toMatchObject([{ outcome: 'unknown' }]);
    expect(awakeMs() - sinceMs).toBeLessThan(2_000);
    // Else the SDK would go on trying.
    expect(signals.map((signal) => signal?.aborted)).toEqual([true, true]);
  });
});
