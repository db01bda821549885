import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout } from 'node:timers';

/** A way to a port of this machine on which everything takes `delayMs` in each direction, as between machines. */
export async function delayed(port, delayMs) {
  const sockets = new Set();
  const server = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1' });
    forward(near, far, delayMs);
    forward(far, near, delayMs);
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

/** Timers of one length fire in the order in which they were set: so do the bytes arrive. */
function forward(from, to, delayMs) {
  const later = (work) => setTimeout(work, delayMs);
  from.on('data', (bytes) => later(() => to.write(bytes)));
  from.on('end', () => later(() => to.end()));
  from.on('close', () => later(() => to.destroy()));
}
