/**
 * Exponential backoff with equal jitter: half of the step is certain, half is random, so that a crowd spreads out
 * and nobody comes back at once. (AWS Architecture Blog, "Exponential Backoff And Jitter".)
 *
 * @param attempt 1 for the first failure
 * @param random uniform in [0, 1)
 */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: number): number {
  const step = Math.min(maxMs, minMs * 2 ** Math.min(attempt - 1, 30));
  return step / 2 + (step / 2) * random;
}
