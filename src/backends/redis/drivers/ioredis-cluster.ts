import type { Stop } from '../../../core/backend.js';
import { type Driver, NotConnectedError, type Reply } from '../driver.js';
import { anyOf, hopping } from './hopping.js';
import { connectOwn, type IoredisClient, type IoredisSubscriber, refuseKeyPrefix } from './ioredis.js';
import { ownConnections } from './own-connections.js';
import { slotOf } from './slot.js';

/** The subset of ioredis' `Cluster` (5.4 and later, 6) that is used. */
export interface IoredisCluster {
  readonly isCluster: boolean;
  readonly status: string;
  readonly options: object;
  call(command: string, ...args: string[]): Promise<unknown>;
  pipeline(): IoredisPipeline;
  /** For each slot its nodes as host:port, the master first. */
  readonly slots: readonly (readonly string[] | undefined)[];
  nodes(role: 'master' | 'all'): IoredisClient[];
  refreshSlotsCache(): void;
  connect(): Promise<unknown>;
  // biome-ignore lint/suspicious/noExplicitAny: what a listener is given depends on the event
  on(event: string, listener: (...args: any[]) => void): unknown;
  disconnect(): void;
}

interface IoredisPipeline {
  call(command: string, ...args: string[]): unknown;
  exec(): Promise<readonly (readonly [error: Error | null, reply: unknown])[] | null>;
}

type Words = [string, ...string[]];

/** @throws InvalidArgumentError if the client would change our keys */
export function ioredisClusterDriver(client: IoredisCluster): Driver {
  refuseKeyPrefix(client.options);
  const { enableAutoPipelining } = client.options as { readonly enableAutoPipelining?: boolean };
  const send = enableAutoPipelining === true ? pipelined(client) : plain(client);
  return {
    library: 'ioredis',
    cluster: true,
    // It does not tell when it has sent a command again, to another node: none that failed is known to be undone.
    resends: () => () => true,
    command(_key, args) {
      if (client.status === 'end') return Promise.reject(closed());
      return send(args as Words);
    },
    owners() {
      if (client.status === 'end') throw closed();
      if (client.status === 'wait') client.connect().catch(() => {});
      if (client.status !== 'ready') throw new NotConnectedError('the client does not know the nodes of the Cluster yet');
      return client.nodes('master').map((node) => (args) => node.call(...(args as Words)) as Promise<Reply>);
    },
    subscribe: (channel, message, active) =>
      hopping((begun, lost) => listen(anyOf(client.nodes('all')), channel, message, begun, lost), active),
    ownConnections: () => {
      const masters = () => new Map(client.nodes('master').map((node) => [addressOf(node), node]));
      const where = (key: string) => {
        const address = client.slots[slotOf(key)]?.[0] ?? '';
        const node = masters().get(address);
        return node && { address, connect: () => connectOwn(node) };
      };
      return ownConnections(
        where,
        () => [...masters().keys()],
        () => client.refreshSlotsCache(),
      );
    },
    suspect: () => client.refreshSlotsCache(),
    close: () => {},
  };
}

function addressOf({ options }: IoredisClient): string {
  const { host, port } = options as { readonly host?: string; readonly port?: number };
  return `${host}:${port}`;
}

const plain = (client: IoredisCluster) => (args: Words) => client.call(...args) as Promise<Reply>;

/** Automatic pipelines take the first argument for the key, which is the script here: an own one looks for the keys. */
const pipelined = (client: IoredisCluster) => async (args: Words) => {
  const pipeline = client.pipeline();
  pipeline.call(...args);
  const [error, reply] = (await pipeline.exec())?.[0] ?? [new NotConnectedError('the pipeline was not run'), null];
  if (error !== null) throw error;
  return reply as Reply;
};

function listen(
  node: IoredisClient | undefined,
  channel: string,
  message: (text: string) => void,
  active: () => void,
  lost: () => void,
): Stop {
  if (node === undefined) {
    lost();
    return () => {};
  }
  const once = { retryStrategy: null, lazyConnect: false, autoResubscribe: false, enableOfflineQueue: true };
  const connection = node.duplicate(once) as IoredisSubscriber;
  connection.on('error', () => {});
  connection.on('end', lost);
  connection.on('message', (_channel: string, text: string) => message(text));
  connection.on('ready', () => void connection.subscribe(channel).then(active, lost));
  return () => connection.disconnect();
}

function closed(): NotConnectedError {
  return new NotConnectedError('the client is closed: close it after Holdfast');
}
