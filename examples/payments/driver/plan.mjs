import { between, random } from '../random.mjs';

/**
 * What clients will send: orders, and for many of them the same request again, at the same moment (a double click, a retry of some library), soon
 * after, or much later (a job that runs again). Sorted by time.
 */
export function plan({ requests, ratePerSecond, seed }) {
  const next = random(seed);
  const durationMs = (requests / ratePerSecond) * 1_000;
  const sends = [];
  for (let number = 1; sends.length < requests; number++) {
    const order = { order: `order-${number}`, amountCents: 100 + Math.floor(next() * 20_000) };
    const atMs = next() * durationMs;
    const copies = [atMs, ...copiesOf(next, atMs)].slice(0, requests - sends.length);
    for (const at of copies) sends.push({ ...order, atMs: at });
  }
  return sends.sort((a, b) => a.atMs - b.atMs);
}

function copiesOf(next, atMs) {
  const kind = next();
  if (kind < 0.5) return [];
  if (kind < 0.75) return Array.from({ length: 1 + Math.floor(next() * 3) }, () => atMs);
  if (kind < 0.9) return [atMs + between(next, 50, 1_000)];
  return [atMs + between(next, 2_000, 15_000)];
}
