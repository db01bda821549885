import { createHash } from 'node:crypto';

/** A Lua script as the server knows it. Each states its KEYS, ARGV and reply at its top. */
export interface Script {
  /** For messages. */
  readonly doing: string;
  readonly lua: string;
  /** SHA-1 of the text: what EVALSHA names. */
  readonly sha: string;
  /**
   * The lock's siblings that it may touch. In a Cluster they are declared after it, as keys that the script does not read
   * from KEYS: while the slot is on its way to another node, and some of them have gone while others have not, the server
   * then answers TRYAGAIN before anything was written, instead of ending the script halfway.
   */
  readonly siblings: readonly string[];
}

/** All of them, as common.ts names them. */
const allSiblings = ['fence', 'queue', 'queue:shared', 'who', 'shared', 'shared:who', 'ended', 'ended:why'] as const;

export function script(name: string, lua: string, siblings: readonly (typeof allSiblings)[number][] = allSiblings): Script {
  const text = `${lua.trim()}\n`;
  return { doing: `running "${name}"`, lua: text, sha: createHash('sha1').update(text).digest('hex'), siblings };
}
