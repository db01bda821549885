import { once } from 'node:events';
import net from 'node:net';

/** Those that this process has given out: a server may not have taken its own yet, or may be down for a moment. */
const given = new Set<number>();

/** Of loopback. Another process may take it before it is used: whoever starts a server tries again then. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    server.close();
    await once(server, 'close');
    if (given.has(port)) continue;
    given.add(port);
    return port;
  }
}
