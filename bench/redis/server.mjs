import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { command } from './command.mjs';

const program = process.env.HOLDFAST_REDIS_SERVER ?? 'redis-server';
const startMsMax = 10_000;
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** A server of the bench's own: free loopback port, nothing on disk. It ends with the bench, however the bench ends. */
export async function startServer(folder) {
  // Another process may take the port between its choice and its use.
  for (let tries = 1; ; tries++) {
    try {
      return await tryToStart(folder);
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function tryToStart(folder) {
  const port = await freePort();
  const own = mkdtempSync(join(folder, 'redis-'));
  const where = ['--port', port, '--bind', '127.0.0.1', '--dir', own];
  const child = spawn(program, [...where, '--save', '', '--appendonly', 'no', '--loglevel', 'warning'].map(String), {
    stdio: 'ignore',
  });
  let trouble;
  child.once('error', (error) => {
    trouble = error;
  });
  const stop = endWithUs(child);
  for (const endMs = performance.now() + startMsMax; !(await answers(port)); await pause(10)) {
    if (trouble !== undefined || child.exitCode !== null || performance.now() > endMs) {
      await stop();
      throw new Error(`${program} did not start${trouble ? `: ${trouble.message}` : ''} (apt-get install redis-server)`);
    }
  }
  return { port, stop, signal: (signal) => child.kill(signal) };
}

/** Node ends at a signal without its exit handlers, and the server would stay: so a signal becomes an exit. */
function endWithUs(child) {
  const kill = () => child.kill('SIGKILL');
  const leave = Object.entries(signals).map(([signal, code]) => [signal, () => process.exit(code)]);
  process.once('exit', kill);
  for (const [signal, exit] of leave) process.once(signal, exit);
  return async () => {
    process.off('exit', kill);
    for (const [signal, exit] of leave) process.off(signal, exit);
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    kill();
    await gone;
  };
}

async function answers(port) {
  return command(port, 'PING').then(
    (pong) => pong.startsWith('+PONG'),
    () => false,
  );
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
