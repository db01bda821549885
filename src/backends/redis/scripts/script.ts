import { createHash } from 'node:crypto';

/** A Lua script as the server knows it. Each states its KEYS, ARGV and reply at its top. */
export interface Script {
  /** For messages. */
  readonly name: string;
  readonly lua: string;
  /** SHA-1 of the text: what EVALSHA names. */
  readonly sha: string;
}

export function script(name: string, lua: string): Script {
  const text = `${lua.trim()}\n`;
  return { name, lua: text, sha: createHash('sha1').update(text).digest('hex') };
}
