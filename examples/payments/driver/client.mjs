import { setTimeout as pause } from 'node:timers/promises';
import { times } from '../times.mjs';

/**
 * A client as it should be: it sends its request under one key until it is told what became of it, to whichever worker answers, with pauses that grow, and
 * not for ever.
 */
export async function pay({ order, amountCents }, workers, { next, tally }) {
  const body = JSON.stringify({ order, amountCents });
  const statuses = [];
  const endMs = performance.now() + times.clientPatienceMs;
  for (let tries = 1; performance.now() < endMs; tries++) {
    const worker = workers[Math.floor(next() * workers.length)];
    const answer = await ask(worker.url, order, body);
    tally.count(answer.status ?? 'no answer');
    statuses.push(answer.status ?? '-');
    if (isFinal(answer.status)) return { order, amountCents, ...answer };
    await pause(pauseMs(answer, tries, next));
  }
  return { order, amountCents, status: undefined, statuses };
}

/** 409, 429 and 5xx say: not now. */
const isFinal = (status) => status !== undefined && status !== 409 && status !== 429 && status < 500;

async function ask(url, order, body) {
  try {
    const response = await fetch(`${url}/payments`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'Idempotency-Key': `"${order}"` },
      body,
      signal: AbortSignal.timeout(times.clientTimeoutMs),
    });
    return { status: response.status, text: await response.text(), retryAfter: response.headers.get('retry-after') };
  } catch {
    return { status: undefined };
  }
}

function pauseMs({ status, retryAfter }, tries, next) {
  const told = retryAfter == null ? 0 : Number(retryAfter) * 1_000;
  // Frozen requests are on their way through reconciliation: asking often would not bring it forward.
  const own = Math.min(2_000, (status === 409 ? 200 : 50) * 2 ** Math.min(tries, 6));
  return Math.max(told, own * (0.5 + next() / 2));
}
