import { randomBytes } from 'node:crypto';
import type { Finding } from '../../../core/backend.js';
import type { Driver } from '../driver.js';
import { list, text } from '../replies.js';
import { permittedScript } from '../scripts/permitted.js';
import { listens } from './listens.js';
import { isUnready, Server } from './server.js';

/** How servers of all versions say no to a command, a key or a channel inside a script. */
const refusal = /no permissions|can't (?:run|access|publish)|unknown (?:redis )?command/i;
const aboutKeys = /\bkeys?\b/i;
const aboutChannels = /\bchannels?\b/i;

/** What is missing from the rules of this user, in the words of an ACL. */
interface Missing {
  readonly commands: ReadonlySet<string>;
  readonly keys: boolean;
  readonly channels: boolean;
  /** Only wake-ups need it. */
  readonly publish: boolean;
}

/** Whether scripts and what they do are permitted to this user, found out by trying what does no harm. */
export async function permissions(driver: Driver, prefix: string, timeoutMs: number): Promise<readonly Finding[]> {
  const key = `${prefix}~probe:${randomBytes(12).toString('base64url')}`;
  const server = new Server((args) => driver.command(key, args), timeoutMs);
  const user = text(await server.ask('ACL', 'WHOAMI')) || 'USER';
  const missing = await missingIn(server, key, prefix);
  const pushes = missing.channels || missing.publish ? false : await listens(driver, server, prefix, timeoutMs);
  return [...scripts(missing, user, prefix), ...(pushes ? [] : [wakes(missing, user, prefix)])];
}

function scripts({ commands, keys }: Missing, user: string, prefix: string): readonly Finding[] {
  if (commands.size === 0 && !keys) return [];
  const names = [...commands].map((command) => command.toUpperCase());
  const what = [
    ...(commands.size === 0 ? [] : [`run ${names.join(', ')}`]),
    ...(keys ? [`use the keys ${prefix}* and {${prefix}*`] : []),
  ];
  return [
    {
      severity: 'critical',
      what: `the user "${user}" may not ${what.join(', nor ')}`,
      why: 'every grant, renewal and release is a script: without all of this some of them fail',
      fix: grant(user, [...(keys ? [`'~${prefix}*'`, `'~{${prefix}*'`] : []), ...[...commands].map((command) => `+${command}`)]),
    },
  ];
}

function wakes({ channels, publish }: Missing, user: string, prefix: string): Finding {
  const rules = [...(channels ? [`'&${prefix}~wake:*'`] : []), ...(publish ? ['+publish'] : []), '+subscribe'];
  return {
    severity: 'warning',
    what:
      channels || publish
        ? `the user "${user}" may not PUBLISH to ${prefix}~wake:*`
        : `a message to ${prefix}~wake:* does not arrive: the user "${user}" may not SUBSCRIBE, or the server takes no more connections`,
    why: 'whoever waits is not woken when a name becomes free, and finds out by asking again, once a second',
    fix: grant(user, rules),
  };
}

function grant(user: string, rules: readonly string[]): string {
  return `redis-cli ACL SETUSER ${user} ${rules.join(' ')}; to make it last: redis-cli ACL SAVE, or CONFIG REWRITE where users stand in redis.conf`;
}

async function missingIn(server: Server, key: string, prefix: string): Promise<Missing> {
  const args = ['2', key, `{${key}}:probe`, `${prefix}~wake:probe`];
  const commands = new Set<string>();
  const refused = new Map<string, string>();
  try {
    const reply = await server.ask('EVAL', permittedScript.lua, ...args);
    await server.ask('EVALSHA', permittedScript.sha, ...args);
    for (const line of list(reply).map(text)) refused.set(line.replace(/ .*/s, '').toLowerCase(), line);
  } catch (error) {
    if (!isUnready(error)) throw error;
  }
  for (const command of ['eval', 'evalsha']) {
    const said = server.denied.get(command);
    if (said !== undefined) refused.set(command, said);
  }
  const denied = [...refused].filter(([, said]) => refusal.test(said));
  for (const [command, said] of denied) {
    if (command !== 'publish' && !aboutKeys.test(said)) commands.add(command);
  }
  const publish = denied.find(([command]) => command === 'publish')?.[1];
  return {
    commands,
    keys: denied.some(([, said]) => aboutKeys.test(said)),
    channels: publish !== undefined && aboutChannels.test(publish),
    publish: publish !== undefined && !aboutChannels.test(publish),
  };
}
