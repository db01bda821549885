import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Finding } from '../../src/core/backend.js';
import { openRedis } from '../support/redis-clients.js';

export const commandTimeoutMs = 1_000;
export const run = promisify(execFile);

export async function probe(library: string, url: string, options = {}): Promise<readonly Finding[]> {
  const backend = await openRedis(library, url, { commandTimeoutMs, ...options });
  try {
    return await backend.probe();
  } finally {
    await backend.close();
  }
}

export function pick(found: readonly Finding[], what: RegExp): Finding {
  const matches = found.filter((finding) => what.test(finding.what));
  expect(matches, `one finding that says ${what} among ${JSON.stringify(found, undefined, 1)}`).toHaveLength(1);
  return matches[0] as Finding;
}

/** Does what the finding says. These servers have no configuration file that could be rewritten. */
export async function mend({ fix }: Finding): Promise<void> {
  const command = fix.replace(/;.*$/s, '').replace(/ && redis-cli [^&]*CONFIG REWRITE/g, '');
  const { stdout } = await run('bash', ['-c', command]);
  expect(stdout, command).toMatch(/^(?:OK|1)\s/);
}
