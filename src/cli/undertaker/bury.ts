import type { Backend } from '../../core/backend.js';
import { Background } from '../../core/background.js';
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { release } from '../../core/giving-back.js';
import { limits } from '../../core/limits.js';
import { parseName } from '../../core/name.js';
import { openBackend } from '../backends.js';
import type { HeirLease, Will } from './will.js';

/**
 * Gives back what a dead holder held.
 *
 * @param gone when nothing is left of its command
 */
export async function bury({ lease, ttlMs }: Will, gone: Promise<void>): Promise<void> {
  // Connects while the command dies.
  const backend = lease === undefined ? undefined : await openBackend(lease.backendUrl).catch(() => undefined);
  await gone;
  if (lease !== undefined && backend !== undefined) await giveBack(backend, lease, ttlMs);
}

/** As a living holder does it: a compare-and-delete, tried again while it can matter. */
async function giveBack(backend: Backend, { name, owner, mode }: HeirLease, ttlMs: number): Promise<void> {
  const ports = { ...systemPorts(), warn: () => {} };
  const calls = new Calls(ports);
  const background = new Background(ports, calls);
  const context = {
    backend,
    ports,
    calls,
    background,
    node: ports.identity(),
    callTimeoutMs: limits.callTimeoutMsDefault,
    unavailableMs: limits.unavailableMsMax,
  };
  const held = { name: parseName(name), owner, mode, ttlMs };
  await new Promise((resolve) => release(context, held, resolve));
  await background.finish(ttlMs);
}
