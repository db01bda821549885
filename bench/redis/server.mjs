import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, startServer as start, succeeds } from '../lib/server.mjs';
import { command } from './command.mjs';

const program = process.env.HOLDFAST_REDIS_SERVER ?? 'redis-server';

/** A server of the bench's own: free loopback port, nothing on disk. */
export function startServer(folder) {
  return start(async () => {
    const port = await freePort();
    const own = mkdtempSync(join(folder, 'redis-'));
    const where = ['--port', port, '--bind', '127.0.0.1', '--dir', own];
    return {
      program,
      args: [...where, '--save', '', '--appendonly', 'no', '--loglevel', 'warning'],
      answers: () => succeeds(command(port, 'PING').then((pong) => pong.startsWith('+PONG'))),
      port,
    };
  }, 'apt-get install redis-server');
}
