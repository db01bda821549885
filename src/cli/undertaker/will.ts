import type { Mode } from '../../core/backend.js';

/**
 * What somebody else needs to give a lease back after our death. It holds secrets (the owner, perhaps a password), and so
 * it travels through a pipe: arguments and environments can be read by others.
 */
export interface Will {
  readonly holderPid: number;
  /** In the environment of the command, of whatever that starts, and of nobody else. */
  readonly runId: string;
  readonly ttlMs: number;
  /** Absent where the next holder sees for itself who is dead. */
  readonly lease?: HeirLease | undefined;
}

export interface HeirLease {
  readonly backendUrl: string;
  readonly name: string;
  readonly owner: string;
  readonly mode: Mode;
}

export function writtenWill(will: Will): string {
  return JSON.stringify(will);
}

/** Undefined if its writer died while it wrote, or was of another version: then the TTL decides. */
export function readWill(text: string): Will | undefined {
  let will: Partial<Record<keyof Will, unknown>>;
  try {
    will = Object(JSON.parse(text));
  } catch {
    return undefined;
  }
  const { holderPid, runId, ttlMs } = will;
  if (typeof holderPid !== 'number' || typeof runId !== 'string' || typeof ttlMs !== 'number') return undefined;
  return { holderPid, runId, ttlMs, lease: readLease(Object(will.lease)) };
}

function readLease({ backendUrl, name, owner, mode }: Partial<Record<keyof HeirLease, unknown>>): HeirLease | undefined {
  if (typeof backendUrl !== 'string' || typeof name !== 'string' || typeof owner !== 'string') return undefined;
  if (mode !== 'exclusive' && mode !== 'shared') return undefined;
  return { backendUrl, name, owner, mode };
}
