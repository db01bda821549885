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

/** A bare `redis-cli` is meant for the server itself; one that names a host is not. */
function fixOn(fix: string, on: readonly Facts[]): string {
  if (!/^redis-cli (?!-)/.test(fix)) return fix;
  return on.map((facts) => fix.replace(/\bredis-cli (?!-)/g, `redis-cli ${whereIs(facts)}`)).join(' && ');
}

function whereIs({ host, port }: Facts): string {
  const at = port === '' || port === '6379' ? '' : `-p ${port} `;
  return host === undefined ? at : `-h ${host} ${at}`;
}
