import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setImmediate, setTimeout } from 'node:timers';

/** A way to a port of this machine on which everything takes `delayMs` in each direction, as between machines. May be a part of one. */
export async function delayed(port, delayMs) {
  const sockets = new Set();
  const later = waitingRoom(delayMs);
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1' });
    forward(near, far, later);
    forward(far, near, later);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.once('close', () => sockets.delete(socket));
      // Whoever talks over it is told by its own connection.
      socket.on('error', () => {});
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    async stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(from, to, later) {
  from.on('data', (bytes) => later(() => to.write(bytes)));
  from.on('end', () => later(() => to.end()));
  from.on('close', () => later(() => to.destroy()));
}

/** A timer fires up to a millisecond late, so the last of it is slept in naps: to wait awake would take a processor from those measured. */
const timerLateMs = 1.5;
const napMs = 0.05;
const pillow = new Int32Array(new SharedArrayBuffer(4));

/** Runs what it is given so much later, in the same order. */
function waitingRoom(delayMs) {
  const queue = [];
  let served = true;
  const serve = () => {
    while (queue.length > 0 && queue[0].dueMs <= performance.now()) queue.shift().work();
    served = queue.length === 0;
    if (served) return;
    const leftMs = queue[0].dueMs - performance.now();
    if (leftMs > timerLateMs) return void setTimeout(serve, leftMs - timerLateMs);
    Atomics.wait(pillow, 0, 0, Math.min(napMs, Math.max(0, leftMs)));
    setImmediate(serve);
  };
  return (work) => {
    queue.push({ dueMs: performance.now() + delayMs, work });
    if (!served) return;
    served = false;
    setImmediate(serve);
  };
}
