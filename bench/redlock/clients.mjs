import { connectIoredis, connectNodeRedis } from '../redis/clients.mjs';

/** One connection to each node, with nothing set: every contender gets the same. */
export function connectAll(ports, connect = connectIoredis) {
  return Promise.all(ports.map((port) => connect(port)));
}

export { connectNodeRedis };

export function disconnectAll(clients) {
  for (const client of clients) (client.destroy ?? client.disconnect).call(client);
}
