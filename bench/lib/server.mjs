import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const startMsMax = 30_000;
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/**
 * A server of the bench's own, on free loopback ports. It ends with the bench, however the bench ends.
 *
 * @param prepare makes what is started: `{ program, args, options, answers }`, where `answers()` says whether it is up
 * @param fix what to do if there is no such program
 */
export async function startServer(prepare, fix) {
  // Another process may take a port between its choice and its use.
  for (let tries = 1; ; tries++) {
    try {
      return await tryToStart(await prepare(), fix);
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function tryToStart({ program, args, options, answers, ...server }, fix) {
  const child = spawn(program, args.map(String), { stdio: 'ignore', ...options });
  let trouble;
  child.once('error', (error) => {
    trouble = error;
  });
  const stop = endWithUs(child);
  for (const endMs = performance.now() + startMsMax; !(await answers()); await pause(10)) {
    if (trouble !== undefined || child.exitCode !== null || performance.now() > endMs) {
      await stop();
      throw new Error(`${program} did not start${trouble ? `: ${trouble.message}` : ''} (${fix})`);
    }
  }
  return { ...server, pid: child.pid, stop, signal: (signal) => child.kill(signal) };
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

/** Whether what is asked is answered at all. */
export function succeeds(question) {
  return question.then(
    (answer) => answer !== false,
    () => false,
  );
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
