import { duration, refuseUnknown } from '../../core/checks.js';
import { BackendUnavailableError, InvalidArgumentError, OutcomeUnknownError } from '../../core/errors.js';
import { checkedResource, checkedWrite, type FencedWrite, type Guard, staleFence } from '../../core/guard.js';
import { limits } from '../../core/limits.js';
import { problemMediaType, problemType } from '../../core/problem.js';
import { parseToken, tokenHeader } from './token.js';

/** `fetch`, as far as it is used. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

export interface HttpGuardOptions {
  /** In messages. Default: `http`. */
  readonly sink?: string;
  /** What sends. Default: the global `fetch`. */
  readonly fetch?: Fetch;
  /** Address of the receiver's `marks` handler. Without it `raise` and `mark` are refused. */
  readonly marksUrl?: string | URL;
  /** For `raise` and `mark`: an authorization, say. */
  readonly marksHeaders?: Readonly<Record<string, string>>;
  /** Deadline of `raise` and `mark`; requests of your own have the deadlines that you give them. Default: 5,000. */
  readonly callTimeoutMs?: number;
}

const known = ['sink', 'fetch', 'marksUrl', 'marksHeaders', 'callTimeoutMs'];

/**
 * The sending side: `run` hands a `fetch` to the work that adds the fence to each request, and throws StaleFenceError where the receiver refuses it with 412.
 * What the work sends is not atomic: each request is checked on its own, when it arrives.
 *
 * @throws InvalidArgumentError
 */
export function httpGuard(options: HttpGuardOptions = {}): Guard<Fetch> {
  refuseUnknown(options, known);
  const { sink = 'http', fetch: send = fetch, marksUrl, marksHeaders = {} } = options;
  const timeoutMs =
    duration('callTimeoutMs', options.callTimeoutMs, limits.callTimeoutMsMin, limits.durationMsMax) ??
    limits.callTimeoutMsDefault;
  const askMark = async (method: string, resource: string, headers: Record<string, string>): Promise<bigint | undefined> => {
    if (marksUrl === undefined) {
      throw new InvalidArgumentError(
        `the guard of ${sink} has no marksUrl: mount the receiver's marks handler and name its address`,
      );
    }
    const url = new URL(marksUrl);
    url.searchParams.set('resource', resource);
    const init = { method, headers: { ...marksHeaders, ...headers }, signal: AbortSignal.timeout(timeoutMs) };
    return markIn(await send(url, init).catch((cause) => fail(sink, cause)), sink);
  };
  return {
    sink,
    async run(write, work) {
      const { resource, fence } = checkedWrite(write);
      return await work(fencedFetch(send, { resource, fence }, sink));
    },
    async raise(write) {
      const { resource, fence } = checkedWrite(write);
      const mark = await askMark('PUT', resource, { [tokenHeader]: String(fence) });
      if (mark !== undefined && mark >= fence) return mark;
      throw notMarks(sink, `the mark ${mark} after ${fence} was to be raised`);
    },
    async mark(resource) {
      checkedResource(resource);
      return askMark('GET', resource, {});
    },
  };
}

function fencedFetch(send: Fetch, write: FencedWrite, sink: string): Fetch {
  return async (input, init) => {
    const headers = new Headers(init?.headers ?? (input instanceof Request ? input.headers : undefined));
    headers.set(tokenHeader, String(write.fence));
    const response = await send(input, { ...init, headers });
    if (response.status === 412) await refuseStale(response, write, sink);
    return response;
  };
}

/** A 412 may also be about an ETag: only the problem document of a stale fence is one. */
async function refuseStale(response: Response, { resource, fence }: FencedWrite, sink: string): Promise<void> {
  if (!response.headers.get('content-type')?.startsWith(problemMediaType)) return;
  const document: unknown = await response
    .clone()
    .json()
    .catch(() => undefined);
  if (typeof document !== 'object' || document === null || !('type' in document)) return;
  if (document.type !== problemType('stale-fence') || !('mark' in document)) return;
  const mark = parseToken(String(document.mark));
  if (mark !== undefined) throw staleFence({ sink, resource, fence, mark });
}

async function markIn(response: Response, sink: string): Promise<bigint | undefined> {
  const text = await response.text().catch((cause) => fail(sink, cause));
  if (response.status !== 200) {
    const message = `${sink} answered ${response.status} to a question about its mark: ${text.slice(0, 200)}`;
    throw new BackendUnavailableError(message, { permanent: response.status < 500 });
  }
  const mark = markOf(text);
  if (mark === null) return undefined;
  const fence = parseToken(String(mark));
  if (fence === undefined) throw notMarks(sink, JSON.stringify(text.slice(0, 200)));
  return fence;
}

function markOf(text: string): unknown {
  try {
    return (JSON.parse(text) as { mark?: unknown } | null)?.mark;
  } catch {
    return undefined;
  }
}

/** A page that says 200 to everything must not count as a raised mark. */
function notMarks(sink: string, answer: string): BackendUnavailableError {
  return new BackendUnavailableError(
    `${sink} answered ${answer} to a question about its mark: let marksUrl be the address of the receiver's marks handler`,
    { permanent: true },
  );
}

function fail(sink: string, cause: unknown): never {
  throw new OutcomeUnknownError(`${sink} did not answer: the mark may or may not be raised; ask again`, { cause });
}
