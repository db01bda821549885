/** What node-redis' client shows of its connection. */
interface Destroyed {
  readonly isOpen: boolean;
  destroy(): unknown;
  on(event: 'connect' | 'error' | 'reconnecting', listener: () => void): unknown;
}

/**
 * Destroys a client of our own, for one server, when what is returned is called; call this before the client connects. node-redis (as of 5.12
 * and 6.3) forgets a socket that is not connected yet, which then connects and stays open for good: that one is waited for.
 */
export function destroying(client: Destroyed): () => void {
  let hasSocket = false;
  const socketIs = (there: boolean) => () => {
    hasSocket = there;
  };
  client.on('connect', socketIs(true));
  client.on('reconnecting', socketIs(false));
  client.on('error', socketIs(false));
  const destroy = () => {
    if (client.isOpen) client.destroy();
  };
  return () => {
    if (hasSocket) return destroy();
    client.on('connect', destroy);
    client.on('error', destroy);
  };
}
