import { codes, type ZooKeeperClient } from './client.js';

/** Inside `node-zookeeper-client`, and not part of its interface: every use is optional. */
interface Internals {
  onSocketData?: (bytes: Buffer) => void;
  pendingBuffer?: unknown;
  xid?: number;
  readonly packetQueue?: { readonly queue?: { readonly callback?: (error: unknown) => void }[] };
  readonly socket?: (Partial<Corked> & { destroy(): void }) | null;
}

/** What can hold back what is written to it. */
interface Corked {
  cork(): void;
  uncork(): void;
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

/**
 * To be called before each request. Numbers that are used again are not taken for each other, as requests are answered in
 * order. The library makes one write of each request, and each is a system call: from the second on, those of one turn of the event
 * loop leave together at its end. The first leaves at once, so that a single one waits for nothing.
 */
export function sending(client: ZooKeeperClient): () => void {
  let sent = 0;
  let corked: Partial<Corked> | undefined;
  const leave = () => {
    sent = 0;
    corked?.uncork?.();
    corked = undefined;
  };
  return () => {
    const internals = internalsOf(client);
    if (internals?.xid !== undefined && internals.xid > xidMax) internals.xid = 1;
    sent += 1;
    if (sent === 1) return process.nextTick(leave);
    if (corked !== undefined || internals?.socket?.uncork === undefined) return;
    corked = internals.socket;
    corked.cork?.();
  };
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
