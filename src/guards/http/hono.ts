import type { Problem } from '../../core/problem.js';
import type { Records } from '../../core/records.js';
import { rememberFencing } from './admitted.js';
import { type FencesOptions, Receiver } from './receiver.js';
import { tokenHeader } from './token.js';

/** What is used of Hono's context. */
export interface HonoContextLike {
  readonly req: { readonly method: string; readonly url: string; header(name: string): string | undefined };
}

export interface HonoFences<Context> {
  (context: Context, next: () => Promise<void>): Promise<Response | undefined>;
  /** A handler that shows marks (GET) and raises them (PUT), for `httpGuard().raise`. Mount it behind your own authentication. */
  readonly marks: (context: Context) => Promise<Response>;
}

/** The same as `expressFences`, as a middleware of Hono. `fencingOf(context)` tells the fence. @throws InvalidArgumentError */
export function honoFences<Context extends HonoContextLike = HonoContextLike>(
  records: Records,
  options: FencesOptions<Context>,
): HonoFences<Context> {
  const receiver = new Receiver(records, options);
  const guard = async (context: Context, next: () => Promise<void>): Promise<Response | undefined> => {
    const admission = await receiver.admit(context.req.method, context.req.header(tokenHeader), context);
    if (!admission.pass) return responseOf(admission.problem);
    if (admission.fencing !== undefined) rememberFencing(context, admission.fencing);
    await next();
    return undefined;
  };
  return Object.assign(guard, {
    marks: async ({ req }: Context) => responseOf(await receiver.mark(req.method, req.header(tokenHeader), req.url)),
  });
}

function responseOf({ status, headers, body }: Problem): Response {
  return new Response(new Uint8Array(body), { status, headers: { ...headers } });
}
