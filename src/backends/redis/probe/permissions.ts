import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers';
import type { Finding } from '../../../core/backend.js';
import type { Driver } from '../driver.js';
import { list, text } from '../replies.js';
import { permittedScript } from '../scripts/permitted.js';
import { Server } from './server.js';

/** How the server says no to a command, a key or a channel inside a script. */
const refusal = /^(\w+) .*(?:no permissions|can't (?:run|access|publish)|unknown command|unknown redis command)/i;

/** The rule that lets a user do all that Holdfast does below this prefix. */
export function aclRule(user: string, prefix: string): string {
  const keys = `'~${prefix}*' '~{${prefix}*' '&${prefix}~wake:*'`;
  return `ACL SETUSER ${user} ${keys} +@read +@write +@scripting +@pubsub +@connection +time +info`;
}

/** Whether scripts and what they do are permitted to this user, found out by trying what does no harm. */
export async function permissions(driver: Driver, prefix: string, timeoutMs: number): Promise<readonly Finding[]> {
  const key = `${prefix}~probe:${randomBytes(12).toString('base64url')}`;
  const server = new Server((args) => driver.command(key, args), timeoutMs);
  const user = text(await server.ask('ACL', 'WHOAMI')) || 'USER';
  const fix = `redis-cli ${aclRule(user, prefix)} && redis-cli ACL SAVE (or CONFIG REWRITE, where users stand in redis.conf)`;
  const denied = await refusedScripts(server, key, prefix);
  const found: Finding[] = [];
  if (denied.scripts.length > 0) {
    found.push({
      severity: 'critical',
      what: `the user "${user}" may not ${denied.scripts.join(', ')}`,
      why: 'every grant, renewal and release is a script: without all of this some of them fail',
      fix,
    });
  }
  const pushes = denied.publish
    ? false
    : await listens(driver, server, `${prefix}~wake:${randomBytes(12).toString('base64url')}`, timeoutMs);
  if (!pushes) {
    found.push({
      severity: 'warning',
      what: denied.publish
        ? `the user "${user}" may not PUBLISH to ${prefix}~wake:*`
        : `a message published to ${prefix}~wake:* does not arrive: the user "${user}" may not SUBSCRIBE, or the server takes no more connections`,
      why: 'whoever waits is not woken when a name becomes free, and finds out by asking again, once a second',
      fix,
    });
  }
  return found;
}

interface Denied {
  readonly scripts: readonly string[];
  readonly publish: boolean;
}

async function refusedScripts(server: Server, key: string, prefix: string): Promise<Denied> {
  const args = ['2', key, `{${key}}:probe`, `${prefix}~wake:probe`] as const;
  try {
    const reply = await server.ask('EVAL', permittedScript.lua, ...args);
    if (reply === undefined) return { scripts: ['run EVAL, or use the keys below the prefix'], publish: false };
    await evalSha(server, args);
    const refused = [...new Set(list(reply).flatMap((line) => refusal.exec(text(line))?.[1] ?? []))];
    const scripts = refused.filter((command) => command !== 'PUBLISH').map((command) => `${command} in a script`);
    return {
      scripts: server.denied.has('evalsha') ? ['run EVALSHA', ...scripts] : scripts,
      publish: refused.includes('PUBLISH'),
    };
  } catch (error) {
    // A server that takes no scripts now for another reason is another family's finding.
    if (!/\b(?:READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED)\b/.test(String(error))) throw error;
    return { scripts: [], publish: false };
  }
}

async function evalSha(server: Server, args: readonly string[]): Promise<void> {
  await server.ask('EVALSHA', permittedScript.sha, ...args);
}

/** Whether a message comes through, from end to end. */
async function listens(driver: Driver, server: Server, channel: string, timeoutMs: number): Promise<boolean> {
  let stop = () => {};
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise<boolean>((resolve) => {
      timer = setTimeout(() => resolve(false), timeoutMs);
      const publish = () => void server.ask('PUBLISH', channel, '').catch(() => {});
      stop = driver.subscribe(channel, () => resolve(true), publish);
    });
  } finally {
    clearTimeout(timer);
    stop();
  }
}
