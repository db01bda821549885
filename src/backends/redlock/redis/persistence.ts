import { pairs, parseInfo } from '../../redis/probe/facts.js';
import type { Server } from '../../redis/probe/server.js';
import { list, number, text } from '../../redis/replies.js';

export interface Self {
  readonly runId: string;
  /** Every write is on disk before it is answered, and the disk is this server's own: a restart forgets nothing. */
  readonly durable: boolean;
}

/** The server's clock, in epoch milliseconds, as `TIME` tells it. */
export async function clockOf(server: Server): Promise<number> {
  const [seconds, us] = list((await server.ask('TIME')) ?? null);
  return number(seconds) * 1_000 + Math.floor(number(us) / 1_000);
}

/** What a server says of itself. What it does not permit to ask is taken for the worse. */
export async function selfOf(server: Server): Promise<Self> {
  const info = parseInfo(text(await server.ask('INFO')));
  const config = new Map<string, string>();
  for (const parameter of ['appendfsync', 'no-appendfsync-on-rewrite'] as const) {
    const reply = await server.ask('CONFIG', 'GET', parameter);
    for (const [key, value] of pairs(reply)) config.set(key, value);
  }
  // A server that took over from another has that one's data, as far as it had arrived.
  const isItself = info.get('role') === 'master' && info.get('second_repl_offset') === '-1';
  const syncs = config.get('appendfsync') === 'always' && config.get('no-appendfsync-on-rewrite') === 'no';
  return { runId: info.get('run_id') ?? '', durable: isItself && syncs && info.get('aof_enabled') === '1' };
}
