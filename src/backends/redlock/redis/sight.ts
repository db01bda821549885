import { otherLetters } from '../../../core/examining.js';
import type { LockName } from '../../../core/name.js';
import type { Driver } from '../../redis/driver.js';
import { type Examiner, foreignAt } from '../../redis/examining.js';
import { Server } from '../../redis/probe/server.js';
import { list, number, text } from '../../redis/replies.js';
import { holderRecord, isOurs } from '../../redis/values.js';
import type { Sight } from '../node.js';
import type { Settings } from '../options.js';
import { clockOf, selfOf } from './persistence.js';
import { holderScript } from './scripts/holder.js';

/** @throws BackendUnavailableError, OutcomeUnknownError */
export async function sightOf(
  node: string,
  examiner: Examiner,
  driver: Driver,
  settings: Settings,
  record: string,
  name: LockName,
): Promise<Sight> {
  const server = new Server((args) => driver.command(record, args), settings.commandTimeoutMs);
  const [[own, ...others], [foreign], votesInMs] = await Promise.all([
    holders(examiner, [name, ...otherLetters(name)]),
    foreignAt(examiner, examiner.keys.of(name)),
    votesIn(server, settings, record),
  ]);
  const same = foreign?.remove.slice(examiner.tool.length);
  return {
    node,
    ...(own === undefined ? {} : { holder: own }),
    ...(foreign === undefined || same === undefined ? {} : { foreign: { ...foreign, same } }),
    others: others.filter((other) => other !== undefined),
    votesInMs,
  };
}

/** Holds of ours, in the order of the names. */
async function holders({ commands, keys, timeoutMs }: Examiner, names: readonly LockName[]) {
  const locks = names.map((name) => keys.of(name));
  const [now, ...found] = list(await commands.eval(holderScript, locks, [], timeoutMs));
  return names.map(({ text: name }, i) => {
    const holder = found[i] ?? null;
    return isOurs(holder) ? holderRecord(holder, { name, key: locks[i] ?? '', nowMs: number(now) }) : undefined;
  });
}

/** As the node will say when somebody joins it: who only looks must not join, which writes. See `scripts/join.ts`. */
async function votesIn(server: Server, { maxTtlMs, newNodes }: Settings, record: string): Promise<number> {
  const { runId, durable } = await selfOf(server);
  const [run, from, wasDurable] = list((await server.ask('HMGET', record, 'run', 'from', 'durable')) ?? null).map(text);
  const leftMs = from === undefined || from === '' ? 0 : Math.max(0, Number(from) - (await clockOf(server)));
  if (run === runId) return leftMs;
  if (run === undefined || run === '') return newNodes === 'trust' ? 0 : maxTtlMs;
  return durable && wasDurable === '1' ? leftMs : maxTtlMs;
}
