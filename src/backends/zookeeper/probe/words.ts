import { once } from 'node:events';
import net from 'node:net';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** More than any word answers. */
const charsMax = 1_000_000;

/**
 * A four-letter word, on a connection of its own. Servers answer `… is not executed because it is not in the whitelist.` to what
 * they do not permit.
 *
 * @throws whatever the socket says, or that no answer came in time
 */
export async function ask({ host, port }: Address, word: string, timeoutMs: number): Promise<string> {
  const socket = net.connect(port, host);
  const late = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  try {
    await once(socket, 'connect');
    socket.end(word);
    let reply = '';
    for await (const chunk of socket) {
      reply += String(chunk);
      if (reply.length > charsMax) break;
    }
    return reply;
  } finally {
    clearTimeout(late);
    socket.destroy();
  }
}

/** What one member says of itself. */
export interface Member {
  readonly address: string;
  /** Why it said nothing. */
  readonly silent?: string;
  /** Words that it does not permit. */
  readonly denied: readonly string[];
  /** `srvr`: Mode, Zxid, Zookeeper version. */
  readonly srvr: ReadonlyMap<string, string>;
  /** `conf`: tickTime, minSessionTimeout, … */
  readonly conf: ReadonlyMap<string, string>;
  /** `mntr`: zk_znode_count, … */
  readonly mntr: ReadonlyMap<string, string>;
}

const words = { srvr: /^([^:]+): (.*)$/, conf: /^([^=]+)=(.*)$/, mntr: /^(\S+)\t(.*)$/ } as const;

export async function memberAt(address: Address, timeoutMs: number): Promise<Member> {
  const name = `${address.host}:${address.port}`;
  const denied: string[] = [];
  const facts: Record<string, ReadonlyMap<string, string>> = {};
  let silent: string | undefined;
  for (const [word, pattern] of Object.entries(words)) {
    try {
      const reply = silent === undefined ? await ask(address, word, timeoutMs) : '';
      if (/not in the whitelist/.test(reply)) denied.push(word);
      facts[word] = fieldsOf(reply, pattern);
    } catch (error) {
      silent = error instanceof Error ? error.message : String(error);
    }
  }
  const nothing = new Map<string, string>();
  const { srvr = nothing, conf = nothing, mntr = nothing } = facts;
  return { address: name, denied, srvr, conf, mntr, ...(silent === undefined ? {} : { silent }) };
}

function fieldsOf(reply: string, pattern: RegExp): ReadonlyMap<string, string> {
  return new Map(
    reply.split('\n').flatMap((line) => {
      const match = pattern.exec(line.trim());
      return match === null ? [] : [[match[1] as string, (match[2] as string).trim()] as const];
    }),
  );
}
