import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

/** PostgreSQL and Redis of the example's own, on free ports, in temporary folders. Answers their ports. */
export async function startServers(folder, cleanup) {
  const [postgres, redis] = await Promise.all([startPostgres(cleanup), startRedis(folder, cleanup)]);
  return { postgres, redis };
}

async function startRedis(folder, cleanup) {
  const port = await freePort();
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no'];
  return start('redis-server', args, port, {}, cleanup, 'apt-get install redis-server');
}

async function startPostgres(cleanup) {
  const user = serverUser();
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-payments-postgres-'));
  cleanup.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  if (user.uid !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  execFileSync(program('initdb'), ['-D', data, '--no-sync', '-A', 'trust', '-U', 'payments', '-E', 'UTF8', '--locale=C'], {
    stdio: 'ignore',
    cwd: folder,
    ...user,
  });
  const port = await freePort();
  const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${folder}`, 'max_connections=100'];
  const args = ['-D', data, '-p', port, ...settings.flatMap((one) => ['-c', one])];
  return start(program('postgres'), args, port, { cwd: folder, ...user }, cleanup, 'apt-get install postgresql');
}

/** Debian puts the server into a folder for each version, and not into the path. */
function program(name) {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  const bin = process.env.HOLDFAST_POSTGRES_BIN ?? (versions[0] === undefined ? undefined : join(debian, versions[0], 'bin'));
  return bin === undefined ? name : join(bin, name);
}

/** PostgreSQL refuses to run as root. */
function serverUser() {
  if (process.getuid?.() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

async function start(name, args, port, options, cleanup, fix) {
  const child = spawn(name, args.map(String), { stdio: 'ignore', ...options });
  let trouble;
  child.once('error', (error) => {
    trouble = error;
  });
  cleanup.defer(async () => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    // PostgreSQL ends its own processes on this one, and waits for no client.
    child.kill('SIGQUIT');
    const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await gone;
    clearTimeout(timer);
  });
  for (const endMs = performance.now() + 20_000; !(await listens(port)); await pause(20)) {
    if (trouble !== undefined || child.exitCode !== null || performance.now() > endMs) {
      throw new Error(`${name} did not start (${fix})`, { cause: trouble });
    }
  }
  return port;
}

async function listens(port) {
  const socket = connect(port, '127.0.0.1');
  const [answer] = await Promise.race([once(socket, 'connect').then(() => ['connect']), once(socket, 'error')]).catch(() => [
    'error',
  ]);
  socket.destroy();
  return answer === 'connect';
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}
