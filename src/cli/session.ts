import process from 'node:process';
import type { Backend } from '../core/backend.js';
import { type Ports, systemPorts } from '../core/clock.js';
import { Holdfast } from '../core/holdfast.js';
import { backendUrl, openBackend } from './backends.js';
import { say } from './say.js';
import { WillWriter } from './undertaker/will-writer.js';

/**
 * How long a wait goes on through a store that does not answer. Longer than the library's own patience: a job of cron
 * should survive a restarted server or a crowd at the same minute; a store that cannot work is reported at once anyway.
 */
const unavailableMs = 60_000;

/** What fails in the background (an ask that cannot be withdrawn) ends with its TTL: the command's own verdict says enough. */
function warn(message: string, cause: unknown): void {
  if (process.env['HOLDFAST_DEBUG'] === '1') say(`${message}: ${cause instanceof Error ? cause.message : String(cause)}`);
}

function instance(backend: Backend, ports: Ports): Holdfast {
  return new Holdfast(backend, { unavailableMs }, { ...ports, warn });
}

/** The store for one lease, and who can write down how somebody else would give it back. */
export async function openToHold(option: string | undefined): Promise<{ readonly locks: Holdfast; readonly wills: WillWriter }> {
  const url = backendUrl(option);
  const backend = await openBackend(url);
  const wills = new WillWriter(url, backend.traits);
  return { locks: instance(backend, wills.noting(systemPorts())), wills };
}

/** Opens the store for one look, and closes it whatever happens. */
export async function withStore<T>(
  option: string | undefined,
  look: (locks: Holdfast, backend: Backend) => Promise<T>,
): Promise<T> {
  const backend = await openBackend(backendUrl(option));
  const locks = instance(backend, systemPorts());
  try {
    return await look(locks, backend);
  } finally {
    // The answer is there, or a better error than this one.
    await locks.close().catch(() => undefined);
  }
}
