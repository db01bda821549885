import type { Stop } from '../../../core/backend.js';
import { type Driver, NotConnectedError, type Reply } from '../driver.js';
import { anyOf, hopping } from './hopping.js';
import { connectOwn, type NodeRedisClient, type NodeRedisSubscriber, plainReplies } from './node-redis.js';
import { ownConnections } from './own-connections.js';
import { slotOf } from './slot.js';

/** The subset of node-redis' Cluster client (`createCluster` of the package `redis`, 5 and 6) that is used. */
export interface NodeRedisCluster {
  readonly isOpen: boolean;
  readonly masters: readonly NodeRedisNode[];
  readonly replicas: readonly NodeRedisNode[];
  readonly slots: readonly ({ readonly master: NodeRedisNode } | undefined)[];
  sendCommand(firstKey: string | undefined, isReadonly: boolean, args: readonly string[], options?: object): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: a node's type is generic, and the same as of `masters`
  nodeClient(node: any): unknown;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}

interface NodeRedisNode {
  readonly address: string;
  readonly client?: unknown;
}

export function nodeRedisClusterDriver(client: NodeRedisCluster): Driver {
  // A key that any node may be asked for: one that is not its own says whose it is.
  let lastKey = 'holdfast';
  const suspect = () => {
    if (client.isOpen) client.sendCommand(undefined, false, ['TTL', lastKey]).catch(() => {});
  };
  return {
    library: 'node-redis',
    cluster: true,
    command(key, args) {
      if (!client.isOpen) return Promise.reject(notOpen());
      lastKey = key;
      // It would wait until this node comes back, although another may have taken its place: node-redis learns of that
      // only from a node that answers.
      if (isAway(client.slots[slotOf(key)]?.master)) {
        suspect();
        return Promise.reject(new NotConnectedError('the node of this slot is away'));
      }
      return client.sendCommand(key, false, args, plainReplies) as Promise<Reply>;
    },
    owners() {
      if (!client.isOpen || client.masters.length === 0) throw notOpen();
      return client.masters.map((node) => async (args) => {
        const connection = (await client.nodeClient(node)) as NodeRedisClient;
        return connection.sendCommand(args, plainReplies) as Promise<Reply>;
      });
    },
    subscribe: (channel, message, active) => hopping((begun, lost) => listen(client, channel, message, begun, lost), active),
    ownConnections: () => {
      const where = (key: string) => {
        const master = client.slots[slotOf(key)]?.master;
        const node = master?.client as NodeRedisClient | undefined;
        return master && node && { address: master.address, connect: () => connectOwn(node) };
      };
      return ownConnections(where, () => client.masters.map(({ address }) => address), suspect);
    },
    suspect,
    close: () => {},
  };
}

function isAway(node: NodeRedisNode | undefined): boolean {
  const connection = node?.client as NodeRedisClient | undefined;
  return connection !== undefined && !connection.isReady;
}

function listen(
  client: NodeRedisCluster,
  channel: string,
  message: (text: string) => void,
  active: () => void,
  lost: () => void,
): Stop {
  const nodes = [...client.masters, ...client.replicas];
  const known = anyOf(nodes.filter((node) => node.client !== undefined && !isAway(node)));
  if (known === undefined) {
    // With minimizeConnections, none of them may have been spoken to yet.
    const node = client.isOpen ? anyOf(nodes) : undefined;
    if (node !== undefined) Promise.resolve(client.nodeClient(node)).catch(() => {});
    lost();
    return () => {};
  }
  const template = known.client as NodeRedisSubscriber;
  const socket = { ...template.options?.socket, reconnectStrategy: false };
  const connection = template.duplicate({ socket, readonly: false }) as NodeRedisSubscriber;
  connection.on('error', lost);
  connection.connect().then(() => connection.subscribe(channel, message).then(active, lost), lost);
  return () => {
    if (connection.isOpen) connection.destroy();
  };
}

function notOpen(): NotConnectedError {
  return new NotConnectedError('The client is closed');
}
