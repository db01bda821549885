import type { Finding } from '../../../core/backend.js';
import { list, number } from '../replies.js';
import type { Server } from './server.js';

/** A server's clock beside ours. */
export interface Reading {
  /** How far it is ahead of ours, read in the middle of a round trip. */
  readonly aheadMs: number;
  /** Half of that round trip: it may be so much more or less. */
  readonly doubtMs: number;
}

/** The quickest of so many round trips counts. */
const samples = 5;

/** A failover takes longer than that; a machine that keeps its time by NTP is never so far off. */
const apartMsMax = 1_000;

/** Undefined where TIME is not permitted. `nowMs`: our wall clock. */
export async function readClock(server: Server, nowMs: () => number = Date.now): Promise<Reading | undefined> {
  let best: Reading | undefined;
  for (let i = 0; i < samples; i++) {
    const sentMs = nowMs();
    const reply = await server.ask('TIME');
    const gotMs = nowMs();
    if (reply === undefined) return undefined;
    const [seconds, micros] = list(reply);
    const doubtMs = (gotMs - sentMs) / 2;
    const reading = { aheadMs: number(seconds) * 1_000 + number(micros) / 1_000 - sentMs - doubtMs, doubtMs };
    if (best === undefined || doubtMs < best.doubtMs) best = reading;
  }
  return best;
}

const why =
  'a lease minds no clock but its own, but fences follow those of the servers: if one takes over whose clock is behind, or a clock is set right by setting it back, and the last fence is lost as well, a fence may come again';
const fix = 'let NTP keep the time on every machine: timedatectl set-ntp true';

/** Clocks of the servers against ours, each. */
export function againstOurs({ aheadMs, doubtMs }: Reading): readonly Finding[] {
  if (Math.abs(aheadMs) - doubtMs <= apartMsMax) return [];
  const what = `the server's clock is ${seconds(aheadMs)} ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`;
  return [{ severity: 'warning', what, why, fix }];
}

/** Clocks of the servers against each other. */
export function againstEachOther(readings: readonly (readonly [label: string, reading: Reading])[]): readonly Finding[] {
  const sorted = [...readings].sort(([, a], [, b]) => a.aheadMs - b.aheadMs);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (first === undefined || last === undefined) return [];
  const apartMs = last[1].aheadMs - first[1].aheadMs;
  if (apartMs - first[1].doubtMs - last[1].doubtMs <= apartMsMax) return [];
  return [{ severity: 'warning', what: `the clock of ${last[0]} is ${seconds(apartMs)} ahead of that of ${first[0]}`, why, fix }];
}

function seconds(ms: number): string {
  return `${(Math.abs(ms) / 1_000).toFixed(1)} s`;
}

/** Replicas do not speak through the application's client: whoever runs the doctor can ask them. */
export function unseen(addresses: readonly string[]): readonly Finding[] {
  if (addresses.length === 0) return [];
  const commands = addresses.map((address) => `redis-cli -h ${address.replace(/:(\d+)$/, ' -p $1')} TIME`);
  return [
    {
      severity: 'info',
      what: `the clocks of ${addresses.length === 1 ? 'the replica' : `${addresses.length} replicas`} cannot be read from here`,
      why,
      fix: `compare: redis-cli TIME; ${commands.join('; ')}`,
    },
  ];
}
