import { Holdfast } from '../core/holdfast.js';
import { openBackend } from './backends.js';

/** Opens the store for one look, and closes it whatever happens. */
export async function withStore<T>(backend: string | undefined, look: (locks: Holdfast) => Promise<T>): Promise<T> {
  const locks = new Holdfast(await openBackend(backend));
  try {
    return await look(locks);
  } finally {
    // The answer is there, or a better error than this one.
    await locks.close().catch(() => undefined);
  }
}
