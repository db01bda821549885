import type { Standing, Terms } from '../../../backends/redlock/node.js';

/** What a node keeps of itself, beside its locks. */
export interface Past {
  /** As which it was last joined. */
  readonly incarnation: string;
  /** It votes from then on. */
  readonly fromMs: number;
  readonly atMs: number;
  readonly graceMs: number;
  /** The longest TTL that it has voted for. */
  readonly ttlMs: number;
  readonly durable: boolean;
}

interface Found {
  readonly past: Past;
  readonly standing: Standing & { readonly state: 'votes' | 'waits' };
}

/** The rules of the `join` script. */
export function joined(past: Past | undefined, incarnation: string, terms: Terms, durable: boolean, nowUs: number): Found {
  const nowMs = Math.floor(nowUs / 1_000);
  const isKnown = past?.incarnation === incarnation;
  const graceMs = isKnown ? terms.graceMs : Math.max(terms.graceMs, past?.ttlMs ?? 0);
  const next = isKnown ? longer(past, terms, durable, nowMs) : anew(past, incarnation, { ...terms, graceMs }, durable, nowMs);
  const votesInMs = Math.max(0, Math.min(next.fromMs - nowMs, Math.max(graceMs, past?.graceMs ?? 0)));
  return { past: next, standing: { state: votesInMs > 0 ? 'waits' : 'votes', votesInMs, nowUs } };
}

/** A client with a longer bound may have longer leases out. */
function longer(past: Past, { graceMs }: Terms, durable: boolean, nowMs: number): Past {
  const kept = { ...past, durable: past.durable && durable };
  if (past.fromMs <= nowMs || graceMs <= past.graceMs) return kept;
  return { ...kept, fromMs: Math.max(past.fromMs, past.atMs + graceMs), graceMs };
}

/** After a restart: unless every write was on disk, it may have forgotten votes. */
function anew(past: Past | undefined, incarnation: string, terms: Terms, durable: boolean, nowMs: number): Past {
  const { graceMs, trustNew } = terms;
  const next = { incarnation, atMs: nowMs, graceMs, durable };
  if (past?.durable === true && durable) return { ...next, fromMs: Math.min(past.fromMs, nowMs + graceMs), ttlMs: past.ttlMs };
  // Votes that long may be out until the grace is over.
  const ttlMs = past !== undefined && past.fromMs > nowMs ? past.ttlMs : 0;
  return { ...next, fromMs: past === undefined && trustNew ? nowMs : nowMs + graceMs, ttlMs };
}

/** What it says with every answer. */
export function standingOf(past: Past, nowUs: number): Found {
  const nowMs = Math.floor(nowUs / 1_000);
  const leftMs = past.fromMs - nowMs;
  if (leftMs <= 0) return { past, standing: { state: 'votes', votesInMs: 0, nowUs } };
  // The clock was set back: the grace must not last as long as that.
  const votesInMs = Math.min(leftMs, past.graceMs);
  return { past: { ...past, fromMs: nowMs + votesInMs }, standing: { state: 'waits', votesInMs, nowUs } };
}
