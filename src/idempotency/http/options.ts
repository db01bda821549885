import { duration, refuseUnknown } from '../../core/checks.js';
import { InvalidArgumentError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { type Finality, finalityOf } from './answer.js';

/** @typeParam Request what the framework hands to a handler (Hono: its context) */
export interface HttpIdempotencyOptions<Request> {
  /**
   * Whose request it is: the account or user that your authentication found. The same key of another tenant is another request. Without it all
   * clients share one space of keys, and whoever guesses a key sees the answer.
   */
  readonly tenant?: (request: Request) => string | undefined;
  /** Default: `Idempotency-Key`. */
  readonly header?: string;
  /** Whether a key without quotes is taken, as most clients send it. Default: true. */
  readonly bareKeys?: boolean;
  /** Whether a request without a key is refused (400); otherwise it is let through, and not protected. Default: true. */
  readonly required?: boolean;
  /** Default: POST, PUT, PATCH, DELETE. Others are let through. */
  readonly methods?: readonly string[];
  /** Headers that belong to what a request says: with another value it is another request. Default: `content-type`. */
  readonly signatureHeaders?: readonly string[];
  /** Headers of answers that are not kept, besides Set-Cookie and those of a connection. */
  readonly omitHeaders?: readonly string[];
  /** What an answer means. Default: below 400 `completed`; 5xx, 401, 408, 423, 425 and 429 `unknown`; other 4xx `failed`. */
  readonly finality?: (status: number) => Finality;
  /** While it runs elsewhere: wait this long for its answer and replay it, before 409. Default: 0. */
  readonly waitMs?: number;
  /** Longest request body, where the middleware reads it itself. Default: 1 MiB. */
  readonly requestBytesMax?: number;
  /** Longest body of an answer that is kept. Default: 32,768. Raise `answerBytesMax` of `idempotent` with it. */
  readonly bodyBytesMax?: number;
  /** How long a handler may go on without an answer once its client has left. Default: 60,000. */
  readonly abandonedMs?: number;
}

export type ParsedHttpOptions<Request> = Required<Omit<HttpIdempotencyOptions<Request>, 'tenant' | 'methods'>> & {
  readonly tenant: ((request: Request) => string | undefined) | undefined;
  readonly methods: ReadonlySet<string>;
};

const known = [
  'tenant',
  'header',
  'bareKeys',
  'required',
  'methods',
  'signatureHeaders',
  'omitHeaders',
  'finality',
  'waitMs',
  'requestBytesMax',
  'bodyBytesMax',
  'abandonedMs',
];

/** @throws InvalidArgumentError */
export function parseHttpOptions<Request>(options: HttpIdempotencyOptions<Request>): ParsedHttpOptions<Request> {
  refuseUnknown(options, known);
  const { tenant, header = 'Idempotency-Key', bareKeys = true, required = true, methods, ...rest } = options;
  if (tenant !== undefined && typeof tenant !== 'function') {
    throw new InvalidArgumentError('tenant must be a function of the request: answer whose it is');
  }
  return {
    tenant,
    header,
    bareKeys,
    required,
    methods: new Set((methods ?? ['POST', 'PUT', 'PATCH', 'DELETE']).map((method) => method.toUpperCase())),
    signatureHeaders: rest.signatureHeaders ?? ['content-type'],
    omitHeaders: rest.omitHeaders ?? [],
    finality: rest.finality ?? finalityOf,
    waitMs: duration('waitMs', rest.waitMs, 0, limits.durationMsMax) ?? 0,
    requestBytesMax: bytes('requestBytesMax', rest.requestBytesMax) ?? limits.signedBodyBytesMax,
    bodyBytesMax: bytes('bodyBytesMax', rest.bodyBytesMax) ?? limits.replayBodyBytesMax,
    abandonedMs: duration('abandonedMs', rest.abandonedMs, 0, limits.durationMsMax) ?? limits.abandonedHandlerMs,
  };
}

function bytes(name: string, value: number | undefined): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && value >= 0)) return value;
  throw new InvalidArgumentError(`${name} is ${value}: give a whole number of bytes`);
}
