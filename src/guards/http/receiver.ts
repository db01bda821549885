import { duration, refuseUnknown } from '../../core/checks.js';
import { BackendCorruptError, HoldfastError, InvalidArgumentError } from '../../core/errors.js';
import { checkedWrite, tellRejected } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import { type Problem, problem } from '../../core/problem.js';
import type { Records } from '../../core/records.js';
import { Marks } from './marks.js';
import { parseToken, tokenHeader } from './token.js';

/** @typeParam Request what the framework hands to a handler (Hono: its context) */
export interface FencesOptions<Request> {
  /**
   * What the fence of this request protects. It decides which mark counts, so take it from what the handler will write, the path or the
   * parsed body, and never from a header of the client's choice.
   */
  readonly resource: (request: Request) => string;
  /** What becomes of a request without a fence: `refuse` it with 428 (default), or let it `pass` unguarded. */
  readonly missing?: 'refuse' | 'pass';
  /** Methods that are guarded. Default: POST, PUT, PATCH, DELETE. */
  readonly methods?: readonly string[];
  /** In front of the keys of the marks. Default: `fence:`. */
  readonly prefix?: string;
  /** Deadline of one call to the store. Default: 5,000. */
  readonly callTimeoutMs?: number;
}

/** What a handler gets to know of the fence that was let in. */
export interface Fencing {
  readonly resource: string;
  readonly fence: bigint;
}

/** The answer of the receiver to one request. */
export type Admission =
  | { readonly pass: true; readonly fencing: Fencing | undefined }
  | { readonly pass: false; readonly problem: Problem };

const known = ['resource', 'missing', 'methods', 'prefix', 'callTimeoutMs'];
const unsafe = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** What the three middlewares have in common. */
export class Receiver<Request> {
  readonly #resource: (request: Request) => string;
  readonly #missing: 'refuse' | 'pass';
  readonly #methods: ReadonlySet<string>;
  readonly #marks: Marks;

  /** @throws InvalidArgumentError */
  constructor(records: Records, options: FencesOptions<Request>) {
    refuseUnknown(options, known);
    const { resource, missing = 'refuse', methods = unsafe, prefix = 'fence:' } = options;
    if (typeof resource !== 'function') {
      throw new InvalidArgumentError('resource must be a function: answer what the request is about to write');
    }
    if (missing !== 'refuse' && missing !== 'pass') {
      throw new InvalidArgumentError(`missing is ${JSON.stringify(missing)}: use "refuse" or "pass"`);
    }
    const timeoutMs = duration('callTimeoutMs', options.callTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax);
    this.#resource = resource;
    this.#missing = missing;
    this.#methods = new Set(methods.map((method) => method.toUpperCase()));
    this.#marks = new Marks(records, prefix, timeoutMs ?? limits.callTimeoutMsDefault);
  }

  /** Raises the mark, and says whether the handler may run. @throws what `resource` throws, InvalidArgumentError for what it answers */
  async admit(method: string, token: string | undefined, request: Request): Promise<Admission> {
    if (!this.#methods.has(method)) return { pass: true, fencing: undefined };
    if (token === undefined) {
      return this.#missing === 'pass' ? { pass: true, fencing: undefined } : { pass: false, problem: noToken() };
    }
    const fence = parseToken(token);
    if (fence === undefined) return { pass: false, problem: badToken() };
    const write = checkedWrite({ resource: this.#resource(request), fence });
    const mark = await this.#marks.raise(write).catch(failed);
    if (typeof mark !== 'bigint') return { pass: false, problem: mark };
    if (mark > fence) {
      tellRejected({ sink: 'http-receiver', resource: write.resource, fence, mark });
      return { pass: false, problem: stale(write.resource, fence, mark) };
    }
    return { pass: true, fencing: { resource: write.resource, fence } };
  }

  /**
   * The mark of a resource, over HTTP: `GET` shows it, `PUT` with a `Fencing-Token` raises it and writes nothing else. The resource is
   * the query's parameter of that name.
   */
  async mark(method: string, token: string | undefined, url: string): Promise<Problem> {
    const resource = new URL(url, 'http://localhost').searchParams.get('resource');
    if (resource === null) return badRequest('the query has no parameter "resource": name what the fence protects');
    const fence = method === 'PUT' && token !== undefined ? parseToken(token) : undefined;
    if (method === 'PUT' && fence === undefined) return token === undefined ? noToken() : badToken();
    if (method !== 'PUT' && method !== 'GET' && method !== 'HEAD') return wrongMethod();
    try {
      // To read a mark, any fence will do for the check of the resource.
      const write = checkedWrite({ resource, fence: fence ?? 1n });
      return found(resource, await (fence === undefined ? this.#marks.read(write.encoded) : this.#marks.raise(write)));
    } catch (error) {
      if (error instanceof InvalidArgumentError) return badRequest(error.message);
      return failed(error);
    }
  }
}

function found(resource: string, mark: bigint | undefined): Problem {
  const body = Buffer.from(JSON.stringify({ resource, mark: mark === undefined ? null : String(mark) }));
  return { status: 200, headers: { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, body };
}

function stale(resource: string, fence: bigint, mark: bigint): Problem {
  return problem({
    kind: 'stale-fence',
    status: 412,
    title: 'Stale fence',
    detail: `Fence ${mark} was seen for this resource, and ${fence} is older: somebody else has taken over. Stop, and send nothing more under this lease.`,
    members: { resource, fence: String(fence), mark: String(mark) },
  });
}

function noToken(): Problem {
  return problem({
    kind: 'fence-required',
    status: 428,
    title: 'Fence required',
    detail: `Send the fence of your lease in the header ${tokenHeader}.`,
  });
}

function badToken(): Problem {
  return problem({
    kind: 'malformed-fence',
    status: 400,
    title: 'Malformed fence',
    detail: `${tokenHeader} must be there once, as a decimal number from 1 to 2^63 - 1 without a sign or leading zeros.`,
  });
}

function badRequest(detail: string): Problem {
  return problem({ kind: 'malformed-resource', status: 400, title: 'Malformed resource', detail });
}

function wrongMethod(): Problem {
  return problem({
    kind: 'method-not-allowed',
    status: 405,
    title: 'Method not allowed',
    detail: 'GET shows a mark, PUT raises it.',
    headers: { Allow: 'GET, HEAD, PUT' },
  });
}

/** Nothing is let in unseen: without the store nobody knows whether the fence is stale. */
function failed(error: unknown): Problem {
  if (!(error instanceof HoldfastError)) throw error;
  return problem({
    kind: 'marks-unavailable',
    status: 503,
    title: 'Fences cannot be checked',
    detail:
      error instanceof BackendCorruptError
        ? 'The record of the mark is damaged: an operator must look at it.'
        : 'The store of the marks did not answer: send the request again.',
  });
}
