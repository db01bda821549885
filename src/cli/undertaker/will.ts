import type { Mode } from '../../core/backend.js';

/**
 * What somebody else needs to give a lease back after our death. It holds secrets (the owner, perhaps a password), and so
 * it travels through a pipe: arguments and environments can be read by others.
 */
export interface Will {
  readonly backendUrl: string;
  readonly name: string;
  readonly owner: string;
  readonly mode: Mode;
  readonly ttlMs: number;
  /** The command has it in its environment, and hands it down to whatever it starts. */
  readonly fence: string;
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
  const { backendUrl, name, owner, mode, ttlMs, fence } = will;
  if (typeof backendUrl !== 'string' || typeof name !== 'string' || typeof owner !== 'string') return undefined;
  if ((mode !== 'exclusive' && mode !== 'shared') || typeof ttlMs !== 'number' || typeof fence !== 'string') return undefined;
  return { backendUrl, name, owner, mode, ttlMs, fence };
}
