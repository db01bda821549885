import { NotConnectedError, type OwnConnection, type OwnConnections } from '../driver.js';

/**
 * One connection of our own to every server that was asked for.
 *
 * @param where the server that has a key: its address, and how to connect to it; undefined if that is not known now
 * @param living the addresses of all servers
 * @param moved called when a server says that it has not got the key
 */
export function ownConnections(
  where: (key: string) => { readonly address: string; connect(): OwnConnection } | undefined,
  living: () => readonly string[],
  moved: () => void,
): OwnConnections {
  const open = new Map<string, OwnConnection>();
  const drop = (address: string) => {
    open.get(address)?.close();
    open.delete(address);
  };
  return {
    to(key) {
      const server = where(key);
      if (server === undefined) throw new NotConnectedError('the server of this key is not known yet');
      const known = open.get(server.address);
      if (known !== undefined) return known;
      const stay = new Set(living());
      for (const address of [...open.keys()]) if (!stay.has(address)) drop(address);
      const made = noticing(server.connect(), moved);
      open.set(server.address, made);
      return made;
    },
    close() {
      for (const address of [...open.keys()]) drop(address);
    },
  };
}

function noticing(connection: OwnConnection, moved: () => void): OwnConnection {
  return {
    get epoch() {
      return connection.epoch;
    },
    async send(args) {
      try {
        return await connection.send(args);
      } catch (error) {
        if (/^(?:MOVED|ASK) /.test((error as Error).message)) moved();
        throw error;
      }
    },
    close: () => connection.close(),
  };
}
