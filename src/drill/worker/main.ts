/*
 * A worker of the drill: a process of its own that holds, and to which things happen. It lives as long as its standard input is open.
 */
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { Command } from '../protocol.js';
import { machineMs } from '../time.js';
import { installWallClock } from './clock.js';
import { say } from './say.js';

installWallClock();
const { WorkerProcess } = await import('./worker.js');
const worker = new WorkerProcess();

function failed(error: unknown): void {
  const code = String((error as { code?: unknown } | undefined)?.code ?? 'none');
  const message = error instanceof Error ? error.message : String(error);
  say({ type: 'failed', atMs: machineMs(), code, message });
}

process.on('uncaughtException', failed);
process.on('unhandledRejection', failed);
createInterface(process.stdin)
  .on('line', (line) => {
    worker.obey(JSON.parse(line) as Command).catch(failed);
  })
  .on('close', () => {
    // What is held is given back, but whoever waits for the drill to end does not wait for a store that is away.
    setTimeout(() => process.exit(0), 2_000).unref();
    void worker.leave().finally(() => process.exit(0));
  });
