import { execFile } from 'node:child_process';
import process from 'node:process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

/** A worker that stands still, past its TTL, from when it has told of its grant: then it looks at its lease. */
const script = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { Holdfast } from './dist/core/holdfast.js';
import { memory } from './dist/backends/memory/index.js';
const write = fs.writeSync;
fs.writeSync = (fd, bytes, ...rest) => {
  const written = write(fd, bytes, ...rest);
  if (String(bytes).includes('"granted"')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2_000);
  return written;
};
syncBuiltinESMExports();
const { WorkerTurn } = await import('./dist/drill/worker/turn.js');
const locks = new Holdfast(memory());
const turn = new WorkerTurn(1, await locks.acquire('a', { ttlMs: 1_000 }));
turn.touch();
await turn.release();
await locks.close();
`;

describe('a worker of the drill', () => {
  it('that is stopped in the moment in which it tells of its grant tells of its loss, too', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    const said = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
    expect(said.map(({ type }) => type)).toEqual(['granted', 'lost', 'touched', 'touched', 'releasing', 'released']);
    expect(said).toContainEqual(expect.objectContaining({ type: 'touched', held: false, aborted: true }));
  });
});
