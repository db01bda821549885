import type { Finding } from '../../../core/backend.js';
import { addressOf, type Facts } from './facts.js';

/** One server, and what was found on it. */
export interface Seen {
  readonly facts: Facts;
  readonly found: readonly Finding[];
}

/** The same finding of several servers becomes one that names them; commands are given their address. */
export function merged(seen: readonly Seen[]): readonly Finding[] {
  const groups = new Map<string, { readonly finding: Finding; readonly on: Facts[] }>();
  for (const { facts, found } of seen) {
    for (const finding of found) {
      const key = JSON.stringify(finding);
      const group = groups.get(key) ?? { finding, on: [] };
      group.on.push(facts);
      groups.set(key, group);
    }
  }
  return [...groups.values()].map(({ finding, on }) => ({
    ...finding,
    what: seen.length === 1 ? finding.what : `${on.map(addressOf).join(', ')}: ${finding.what}`,
    fix: fixOn(finding.fix, on),
  }));
}

/** A bare `redis-cli` is meant for the server itself; one that names a host is not. What follows a semicolon is advice. */
function fixOn(fix: string, on: readonly Facts[]): string {
  const end = fix.includes(';') ? fix.indexOf(';') : fix.length;
  const [command, rest] = [fix.slice(0, end), fix.slice(end)];
  const at = (text: string, facts: Facts) => text.replace(/\bredis-cli (?!-)/g, `redis-cli ${whereIs(facts)}`);
  const commands = command.startsWith('redis-cli') ? on.map((facts) => at(command, facts)).join(' && ') : command;
  const [first] = on;
  return first === undefined || on.length > 1 ? commands + rest : at(commands, first) + at(rest, first);
}

function whereIs({ host, port }: Facts): string {
  const at = port === '' || port === '6379' ? '' : `-p ${port} `;
  return host === undefined ? at : `-h ${host} ${at}`;
}
