import { codes, type ZooKeeperClient } from './client.js';

/** Inside `node-zookeeper-client`, and not part of its interface: every use is optional. */
interface Internals {
  onSocketData?: (bytes: Buffer) => void;
  pendingBuffer?: unknown;
  xid?: number;
  readonly packetQueue?: { readonly queue?: { readonly callback?: (error: unknown) => void }[] };
  readonly socket?: { destroy(): void } | null;
}

/** Numbers of requests are 32 bits wide, and the library does not begin anew: a busy client would throw after some days. */
const xidMax = 2 ** 30;

const lost = Object.assign(new Error('the connection was lost'), { code: codes.connectionLoss });

function internalsOf(client: ZooKeeperClient): Internals | undefined {
  return (client as { connectionManager?: Internals }).connectionManager;
}

/**
 * Mends from outside what `node-zookeeper-client` 1.1.3 gets wrong:
 *
 * - it throws out of a socket's event, hence out of the process, at a code of a newer server (a session that has moved, a
 *   quota), and the connection is then broken here instead;
 * - the rest of an answer that was cut off is put before the first bytes of the next connection;
 * - what a full socket did not take is kept through a lost connection, and sent on the next one before the login.
 */
export function mend(client: ZooKeeperClient): void {
  const internals = internalsOf(client);
  const read = internals?.onSocketData;
  if (internals === undefined || read === undefined) return;
  internals.onSocketData = function (this: Internals, bytes) {
    try {
      read.call(internals, bytes);
    } catch {
      internals.pendingBuffer = null;
      internals.socket?.destroy();
    }
  };
  client.on('disconnected', () => {
    internals.pendingBuffer = null;
    for (const { callback } of internals.packetQueue?.queue?.splice(0) ?? []) callback?.(lost);
  });
}

/** To be called before each request: those under way are answered in order, so that none is taken for another. */
export function beforeSending(client: ZooKeeperClient): void {
  const internals = internalsOf(client);
  if (internals?.xid !== undefined && internals.xid > xidMax) internals.xid = 1;
}

/**
 * Ends the connection and not the session: the library then tries the next server. It never does so by itself, however
 * long a server keeps silent. False if the client does not let us.
 */
export function breakConnection(client: ZooKeeperClient): boolean {
  const socket = internalsOf(client)?.socket;
  if (socket === undefined || socket === null) return false;
  socket.destroy();
  return true;
}
