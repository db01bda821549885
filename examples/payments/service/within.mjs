/**
 * Runs work under a signal that is aborted after a time, or when another one is. Node 20 can forget a timeout inside `AbortSignal.any`: it is
 * collected as garbage, and the work waits for ever.
 */
export async function within(timeoutMs, outer, work) {
  const controller = new AbortController();
  const follow = () => controller.abort(outer.reason);
  if (outer.aborted) follow();
  outer.addEventListener('abort', follow, { once: true });
  const timer = setTimeout(() => controller.abort(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', follow);
  }
}
