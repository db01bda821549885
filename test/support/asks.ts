import { randomBytes } from 'node:crypto';
import type { Ask, Backend, Held, LockRecord } from '../../src/core/backend.js';
import { parseName } from '../../src/core/name.js';
import { readNodeIdentity } from '../../src/core/node.js';

const node = readNodeIdentity();

export function ask(name: string, over: Partial<Ask> = {}): Ask {
  const owner = randomBytes(16).toString('base64url');
  return {
    name: parseName(name),
    owner,
    mode: 'exclusive',
    ttlMs: 10_000,
    fences: 1,
    enqueue: false,
    node,
    metadata: {},
    ...over,
  };
}

export function heldOf({ name, owner, mode, ttlMs }: Ask): Held {
  return { name, owner, mode, ttlMs };
}

export async function recordsOf(backend: Backend, prefix: string): Promise<LockRecord[]> {
  const found: LockRecord[] = [];
  for await (const record of backend.list(prefix)) found.push(record);
  return found;
}
