import type { Problem } from '../../core/problem.js';
import type { Records } from '../../core/records.js';
import { rememberFencing } from './admitted.js';
import { type FencesOptions, Receiver } from './receiver.js';
import { tokenHeader } from './token.js';

/** What is used of Fastify's request. */
export interface FastifyRequestLike {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What is used of Fastify's reply. */
export interface FastifyReplyLike {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(payload: Buffer): unknown;
}

export interface FastifyFences<Request> {
  /** A hook for `preHandler`: there the body is parsed, and `resource` may read it. */
  (request: Request, reply: FastifyReplyLike): Promise<unknown>;
  /** A handler that shows marks (GET) and raises them (PUT), for `httpGuard().raise`. Mount it behind your own authentication. */
  readonly marks: (request: Request, reply: FastifyReplyLike) => Promise<unknown>;
}

/** The same as `expressFences`, as a `preHandler` hook of Fastify. @throws InvalidArgumentError */
export function fastifyFences<Request extends FastifyRequestLike = FastifyRequestLike>(
  records: Records,
  options: FencesOptions<Request>,
): FastifyFences<Request> {
  const receiver = new Receiver(records, options);
  const guard = async (request: Request, reply: FastifyReplyLike): Promise<unknown> => {
    const admission = await receiver.admit(request.method, tokenOf(request), request);
    if (!admission.pass) return send(reply, admission.problem);
    if (admission.fencing !== undefined) rememberFencing(request, admission.fencing);
    return undefined;
  };
  return Object.assign(guard, {
    marks: async (request: Request, reply: FastifyReplyLike) =>
      send(reply, await receiver.mark(request.method, tokenOf(request), request.url)),
  });
}

function tokenOf({ headers }: FastifyRequestLike): string | undefined {
  const value = headers[tokenHeader.toLowerCase()];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}

/** Answering the reply from a hook ends the request there. */
function send(reply: FastifyReplyLike, { status, headers, body }: Problem): FastifyReplyLike {
  reply.code(status);
  reply.headers({ ...headers });
  reply.send(body);
  return reply;
}
