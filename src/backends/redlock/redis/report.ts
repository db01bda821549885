import type { Driver } from '../../redis/driver.js';
import { readClock } from '../../redis/probe/clocks.js';
import { factsOf } from '../../redis/probe/facts.js';
import { findings } from '../../redis/probe/index.js';
import { Server } from '../../redis/probe/server.js';
import { list, number, text } from '../../redis/replies.js';
import type { Report } from '../node.js';
import type { Settings } from '../options.js';
import { clockOf } from './persistence.js';

/** All that the Redis store would say of this server, and what only matters beside others. Changes nothing. */
export async function report(driver: Driver, settings: Settings, record: string): Promise<Report> {
  const server = new Server((args) => driver.command(record, args), settings.commandTimeoutMs);
  const found = await findings(driver, { ...settings, replicas: 0 });
  const clock = await readClock(server);
  const { info } = await factsOf(server);
  const [from] = list((await server.ask('HMGET', record, 'from')) ?? null);
  const nowMs = await clockOf(server);
  const incarnation = info.get('run_id');
  const lineage = info.get('master_replid');
  return {
    findings: found,
    ...(clock === undefined ? {} : { clock }),
    ...(incarnation === undefined ? {} : { incarnation }),
    ...(lineage === undefined ? {} : { lineage }),
    votesInMs: text(from) === '' ? 0 : Math.max(0, number(from) - nowMs),
  };
}
