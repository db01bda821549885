import type { Reply } from '../driver.js';
import { list, text } from '../replies.js';
import type { Server } from './server.js';

/** What one server says of itself. Whatever it does not permit is not there. */
export interface Facts {
  readonly info: ReadonlyMap<string, string>;
  readonly config: ReadonlyMap<string, string>;
  /** Every node of its Cluster, as CLUSTER NODES has them; empty elsewhere. */
  readonly nodes: readonly ClusterNode[];
  /** Sentinels that watch it; undefined where that cannot be seen. */
  readonly sentinels: number | undefined;
  readonly host: string | undefined;
  readonly port: string;
}

export interface ClusterNode {
  readonly id: string;
  readonly host: string;
  readonly port: string;
  readonly flags: readonly string[];
  /** Of its master, if it is a replica. */
  readonly masterId: string;
  readonly hasSlots: boolean;
}

const parameters = ['save', 'appendfsync', 'min-replicas-to-write', 'replica-read-only', 'stop-writes-on-bgsave-error'] as const;

export async function factsOf(server: Server): Promise<Facts> {
  const info = parseInfo(text(await server.ask('INFO')));
  const config = new Map<string, string>();
  for (const parameter of parameters) {
    for (const [key, value] of pairs(await server.ask('CONFIG', 'GET', parameter))) config.set(key, value);
  }
  const nodes = info.get('cluster_enabled') === '1' ? parseNodes(text(await server.ask('CLUSTER', 'NODES'))) : [];
  const self = nodes.find((node) => node.flags.includes('myself'));
  // Each Sentinel listens there, and nobody else has a reason to.
  const listeners = await server.ask('PUBSUB', 'NUMSUB', '__sentinel__:hello');
  return {
    info,
    config,
    nodes,
    sentinels: listeners === undefined ? undefined : Number(pairs(listeners)[0]?.[1] ?? 0),
    host: self === undefined || self.host === '' ? undefined : self.host,
    port: info.get('tcp_port') ?? self?.port ?? '',
  };
}

export function parseInfo(reply: string): ReadonlyMap<string, string> {
  const lines = reply.split(/\r?\n/).filter((line) => line.includes(':') && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]));
}

/** A map, as RESP2 and RESP3 write it. */
export function pairs(reply: Reply | undefined): readonly (readonly [string, string])[] {
  if (Array.isArray(reply)) {
    const flat = list(reply).map(text);
    return flat.flatMap((key, i) => (i % 2 === 0 ? [[key, flat[i + 1] ?? ''] as const] : []));
  }
  const entries: readonly (readonly [unknown, unknown])[] =
    (reply as unknown) instanceof Map ? [...(reply as unknown as Map<unknown, unknown>)] : Object.entries(Object(reply ?? {}));
  return entries.map(([key, value]) => [String(key), String(value)]);
}

/** `id host:port@bus,name flags master ping pong epoch state slot slot …`, a node a line. */
function parseNodes(reply: string): readonly ClusterNode[] {
  return reply
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', address = '', flags = '', masterId = '', , , , , ...slots] = line.split(' ');
      const at = address.replace(/[@,].*$/, '');
      const colon = at.lastIndexOf(':');
      return {
        id,
        host: at.slice(0, colon),
        port: at.slice(colon + 1),
        flags: flags.split(','),
        masterId,
        hasSlots: slots.some((slot) => !slot.startsWith('[')),
      };
    });
}

/** For messages. */
export function addressOf({ host, port }: Facts): string {
  return `${host ?? 'port'}${host === undefined ? ' ' : ':'}${port}`;
}

/** A number that INFO or CONFIG has; undefined if it is not known. */
export function numberIn(values: ReadonlyMap<string, string>, key: string): number | undefined {
  const value = values.get(key);
  return value === undefined || value === '' ? undefined : Number(value);
}
