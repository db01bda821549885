import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../../core/backend.js';
import { Background } from '../../core/background.js';
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { release } from '../../core/giving-back.js';
import { limits } from '../../core/limits.js';
import { parseName } from '../../core/name.js';
import { openBackend } from '../backends.js';
import type { Remains } from './remains.js';
import type { HeirLease, Will } from './will.js';

const lookMsMin = 5;
/** What survives a SIGKILL for longer hangs in the kernel (a network filesystem): looking more often does not help it. */
const lookMsMax = 250;
/** The pause grows with the wait: a look reads all of `/proc`, and the wait may last a TTL. */
const lookRatio = 0.05;

/**
 * Ends what is left of a dead holder's command, and then gives back what it held.
 *
 * @param remains absent if the command was over before its holder died
 */
export async function bury({ lease, ttlMs }: Will, remains?: Remains): Promise<void> {
  const ended = remains === undefined ? Promise.resolve() : gone(remains);
  // Connects while the command dies.
  const backend = lease === undefined ? undefined : await openBackend(lease.backendUrl).catch(() => undefined);
  await ended;
  if (lease !== undefined && backend !== undefined) await giveBack(backend, lease, ttlMs);
}

async function gone(remains: Remains): Promise<void> {
  const sinceMs = performance.now();
  for (let pauseMs = lookMsMin; !remains.end(); pauseMs = Math.min(2 * pauseMs, lookMsMax)) {
    await sleep(Math.max(pauseMs, lookRatio * (performance.now() - sinceMs)));
  }
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
