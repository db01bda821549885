import { setTimeout as sleep } from 'node:timers/promises';
import type { Holdfast } from '../core/holdfast.js';
import { machineMs } from './time.js';

/** What workers gave back in their last moment may take some looks to be gone. */
const cleanMsMax = 3_000;
const lookEveryMs = 50;

/**
 * Ends whatever is still held below the prefix, and closes the instance. The answer: how many holds and places are left, which end with
 * their TTL; undefined if the store does not say.
 */
export async function cleanUp(locks: Holdfast, prefix: string): Promise<number | undefined> {
  try {
    return await revokeAll(locks, prefix);
  } catch {
    return undefined;
  } finally {
    await locks.close().catch(() => undefined);
  }
}

async function revokeAll(locks: Holdfast, prefix: string): Promise<number> {
  for (const endMs = machineMs() + cleanMsMax; ; await sleep(lookEveryMs)) {
    const { held, pending } = await locks.query(prefix);
    for (const { name } of held) await locks.revoke(name, { reason: 'the drill is over' });
    const left = held.length + pending.length;
    if (left === 0 || machineMs() > endMs) return left;
  }
}
