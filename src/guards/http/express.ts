import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Problem } from '../../core/problem.js';
import type { Records } from '../../core/records.js';
import { rememberFencing } from './admitted.js';
import { type FencesOptions, Receiver } from './receiver.js';
import { tokenHeader } from './token.js';

type Next = (error?: unknown) => void;

/** A request of Express, or of anything else on Node's own. */
export type NodeRequest = IncomingMessage & { readonly originalUrl?: string };

export interface ExpressFences<Request> {
  (request: Request, response: ServerResponse, next: Next): void;
  /** A handler that shows marks (GET) and raises them (PUT), for `httpGuard().raise`. Mount it behind your own authentication. */
  readonly marks: (request: Request, response: ServerResponse, next: Next) => void;
}

const header = tokenHeader.toLowerCase();

/**
 * Middleware for Express that refuses requests with an older fence than any seen for the resource, with 412. The mark is raised before the handler runs; what
 * the handler writes is not part of that step.
 *
 * @throws InvalidArgumentError
 */
export function expressFences<Request extends NodeRequest = NodeRequest>(
  records: Records,
  options: FencesOptions<Request>,
): ExpressFences<Request> {
  const receiver = new Receiver(records, options);
  const guard = async (request: Request, response: ServerResponse): Promise<boolean> => {
    const admission = await receiver.admit(request.method ?? '', tokenOf(request), request);
    if (!admission.pass) send(response, admission.problem);
    else if (admission.fencing !== undefined) rememberFencing(request, admission.fencing);
    return admission.pass;
  };
  return Object.assign(
    (request: Request, response: ServerResponse, next: Next): void => {
      guard(request, response).then((pass) => {
        if (pass) next();
      }, next);
    },
    {
      marks: (request: Request, response: ServerResponse, next: Next): void => {
        receiver.mark(request.method ?? '', tokenOf(request), request.url ?? '').then((answer) => send(response, answer), next);
      },
    },
  );
}

function tokenOf(request: NodeRequest): string | undefined {
  const value = request.headers[header];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}

function send(response: ServerResponse, { status, headers, body }: Problem): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  response.end(body);
}
