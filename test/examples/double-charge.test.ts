import { execFile } from 'node:child_process';
import path from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { root } from '../docs/files.js';

const run = promisify(execFile);

describe.skipIf(process.platform === 'win32')('examples/double-charge.mjs (freezes with SIGSTOP, which Windows lacks)', () => {
  it('charges twice with a lock file and once with Holdfast', async () => {
    const { stdout } = await run(process.execPath, [path.join(root, 'examples/double-charge.mjs')], { timeout: 20_000 });
    const [naive = '', late = '', early = ''] = stdout.trim().split('\n\n');

    expect(naive).toMatch(/^Without Holdfast/);
    expect(naive.match(/ledger: charged/g)).toHaveLength(2);
    expect(naive).toContain('=> charged twice');

    expect(late).toMatch(/^With Holdfast/);
    expect(late.match(/ledger: charged/g)).toHaveLength(1);
    expect(late).toMatch(/A {2}wakes up\n {2}A {2}does not charge: /);
    expect(late).toContain('=> charged once');

    expect(early).toMatch(/^With Holdfast/);
    expect(early.match(/ledger: charged/g)).toHaveLength(1);
    expect(early).toMatch(/A {2}wakes up\n {2}A {2}charges, fence \d+\n {5}ledger: refused: /);
    expect(early).toContain('=> charged once');
  });
});
