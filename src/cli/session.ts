import process from 'node:process';
import { systemPorts } from '../core/clock.js';
import { Holdfast } from '../core/holdfast.js';
import { openBackend } from './backends.js';
import { say } from './say.js';

/**
 * How long a wait goes on through a store that does not answer. Longer than the library's own patience: a job of cron
 * should survive a restarted server or a crowd at the same minute; a store that cannot work is reported at once anyway.
 */
const unavailableMs = 60_000;

/** What fails in the background (an ask that cannot be withdrawn) ends with its TTL: the command's own verdict says enough. */
function warn(message: string, cause: unknown): void {
  if (process.env['HOLDFAST_DEBUG'] === '1') say(`${message}: ${cause instanceof Error ? cause.message : String(cause)}`);
}

export async function openStore(backend: string | undefined): Promise<Holdfast> {
  return new Holdfast(await openBackend(backend), { unavailableMs }, { ...systemPorts(), warn });
}

/** Opens the store for one look, and closes it whatever happens. */
export async function withStore<T>(backend: string | undefined, look: (locks: Holdfast) => Promise<T>): Promise<T> {
  const locks = await openStore(backend);
  try {
    return await look(locks);
  } finally {
    // The answer is there, or a better error than this one.
    await locks.close().catch(() => undefined);
  }
}
