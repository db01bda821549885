import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';
import { createInstantReader } from '../../core/clock.js';
import { NotSupportedError } from '../../core/errors.js';
import type { NodeIdentity } from '../../core/node.js';

/**
 * The store's clock: milliseconds since this machine booted, the same in all its processes. Nobody can step it, it counts
 * suspend, and a record of another boot is over by itself, because all its processes are dead.
 */
export interface MachineClock {
  /** The boot that `nowMs` counts from. Records of different boots are not compared. */
  readonly boot: string;
  /** Whether `boot` changes with every boot. Elsewhere (not Linux), a clock that ran backwards betrays a reboot. */
  readonly named: boolean;
  /** Added to each expiry: the clock is cut to this granularity, and a lock must not be given away early. */
  readonly slackMs: number;
  /** By how many kernel ticks this process's view of start times is shifted (time namespace). */
  readonly skewTicks: number;
  nowMs(): number;
  /** Floor of new fences. */
  wallUs(): number;
}

/** `USER_HZ`: fixed at 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;
/** /proc/uptime counts hundredths of a second, and a reading is used for some milliseconds. */
const linuxSlackMs = 20;
/** macOS counts whole seconds. */
const otherSlackMs = 1_000;
/** A record may be this much ahead of our own reading: granularity, and the time between two readings. */
export const aheadMsMax = 1_000;
/** How far a process's start may seem to lie in the future: rounding. */
const startAheadMsMax = 500;

/** @throws NotSupportedError where this process is shown another uptime than the machine's */
export function machineClock(self: NodeIdentity): MachineClock {
  const offsetMs = boottimeOffsetMs();
  // Reading /proc/uptime costs as much as an eighth of a transaction.
  const now = createInstantReader();
  checkUptime(self);
  const boot = /^[0-9a-f-]{36}(?= )/.exec(self.bootId)?.[0];
  return {
    boot: boot ?? os.hostname(),
    named: boot !== undefined,
    slackMs: boot === undefined ? otherSlackMs : linuxSlackMs,
    skewTicks: Math.round((offsetMs / 1_000) * ticksPerSecond),
    nowMs: () => Math.round(now().uptimeMs - offsetMs),
    wallUs: createWallClock(),
  };
}

/** The wall clock may differ this much from what was counted on since it was last read. */
const wallDriftMsMax = 2;

/** `Date.now()` with microseconds: two grants in one millisecond should not need a fence above the clock. */
function createWallClock(): () => number {
  let offsetMs = Date.now() - performance.now();
  return () => {
    const countedMs = performance.now();
    const wallMs = Date.now();
    if (Math.abs(countedMs + offsetMs - wallMs) > wallDriftMsMax) offsetMs = wallMs - countedMs;
    return Math.floor((countedMs + offsetMs) * 1_000);
  };
}

/** A container may be shown its own age (lxcfs). The kernel's start time of this very process gives that away. */
function checkUptime(self: NodeIdentity): void {
  const startedMs = (Number(self.startedAt) / ticksPerSecond) * 1_000;
  if (self.startedAt === '' || !uptimeIsVirtual(os.uptime() * 1_000, startedMs)) return;
  throw new NotSupportedError(
    `this container is shown an uptime of its own (${Math.round(os.uptime())} s, but this process started ${Math.round(startedMs / 1_000)} s after boot), so that lease times cannot be compared with other processes': mount the machine's /proc/uptime, or use another backend`,
  );
}

/** Whether a process that started then cannot live at this uptime. (Its age would sharpen this, but may itself be faked.) */
export function uptimeIsVirtual(uptimeMs: number, startedMs: number): boolean {
  return startedMs > uptimeMs + startAheadMsMax;
}

/** How far a time namespace shifts this process's uptime. */
function boottimeOffsetMs(): number {
  try {
    // The file tells of the namespace of our children; only if it is also ours does it tell about us.
    if (readlinkSync('/proc/self/ns/time') !== readlinkSync('/proc/self/ns/time_for_children')) return 0;
    return parseBoottimeOffsetMs(readFileSync('/proc/self/timens_offsets', 'utf8'));
  } catch {
    return 0;
  }
}

export function parseBoottimeOffsetMs(offsets: string): number {
  const [, seconds = '0', nanoseconds = '0'] = /^boottime\s+(-?\d+)\s+(\d+)/m.exec(offsets) ?? [];
  return Number(seconds) * 1_000 + Math.round(Number(nanoseconds) / 1e6);
}
