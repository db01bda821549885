import { hash, randomBytes } from 'node:crypto';
import os from 'node:os';
import { performance } from 'node:perf_hooks';
import { type NodeIdentity, readNodeIdentity } from './node.js';

/**
 * One reading of the three clocks, in milliseconds. No single one of them is right on its own:
 * `monotonic` stands still while a Linux machine sleeps, `wall` is stepped by people and NTP,
 * `uptime` is coarse (10 ms) but counts sleep.
 */
export interface Instant {
  readonly monotonicMs: number;
  readonly uptimeMs: number;
  readonly wallMs: number;
}

export interface Timer {
  cancel(): void;
  /** Whether it keeps the process alive until it fires. Cheaper than a new one; where it is missing, cancel. */
  keepAlive?(yes: boolean): void;
}

/** Everything that core takes from outside itself, so that a simulator can drive it. */
export interface Ports {
  now(): Instant;
  /** Runs `fn` after `delayMs`; may be late, and up to 1 ms early. Keeps the process alive until then, unless `idle`. */
  timer(delayMs: number, fn: () => void, idle?: boolean): Timer;
  /** At least 128 random bits, base64url. */
  randomOwner(): string;
  /** Uniform in [0, 1), for jitter only. */
  random(): number;
  /** Who this process is; a new nonce at every call. */
  identity(): NodeIdentity;
  /** What nobody asked to hear but must not vanish: a listener that threw, a background call that failed for good. */
  warn(message: string, cause: unknown): void;
}

/** The largest of the three clocks' deltas: a step back of one changes nothing, a step forward can only end a hold early. */
export function elapsedMs(since: Instant, now: Instant): number {
  return Math.max(now.monotonicMs - since.monotonicMs, now.uptimeMs - since.uptimeMs, now.wallMs - since.wallMs);
}

/** A point in the future, counted from a reading that was taken before the request was sent. */
export interface Deadline {
  readonly since: Instant;
  readonly lengthMs: number;
}

export function remainingMs(deadline: Deadline, now: Instant): number {
  return deadline.lengthMs - elapsedMs(deadline.since, now);
}

/** Reading `/proc/uptime` costs about 5 µs; it is only needed when the two cheap clocks have moved or disagree. */
const uptimeMaxAgeMs = 5;
const uptimeMaxDisagreementMs = 1;

/** The real clocks of this machine. */
export function createInstantReader(): () => Instant {
  let last: Instant | undefined;
  return () => {
    const monotonicMs = performance.now();
    const wallMs = Date.now();
    if (last !== undefined) {
      const age = monotonicMs - last.monotonicMs;
      const drift = Math.abs(wallMs - last.wallMs - age);
      // Date.now() is cut to whole milliseconds, hence one of slack.
      if (age < uptimeMaxAgeMs && drift <= 1 + uptimeMaxDisagreementMs) {
        return { monotonicMs, wallMs, uptimeMs: last.uptimeMs };
      }
    }
    last = { monotonicMs, wallMs, uptimeMs: os.uptime() * 1000 };
    return last;
  };
}

/** 132 random bits: the fewest characters of base64url that hold 128. */
const ownerChars = 22;
/** Few: a cut text keeps the whole pool in memory for as long as it is held. */
const ownersPerPool = 16;
const poolBytes = (ownerChars * ownersPerPool * 6) / 8;

/** Owners cut from a long text of random characters: one system call and one conversion serve several. */
function createOwnerSource(): () => string {
  let pool = '';
  let next = 0;
  return () => {
    if (next === pool.length) {
      pool = randomBytes(poolBytes).toString('base64url');
      next = 0;
    }
    next += ownerChars;
    return pool.slice(next - ownerChars, next);
  };
}

/** In the next turn of the event loop. Not one of the ports: only for tidying up, of which nobody sees when it happens. */
export function soon(tidy: () => void): void {
  setImmediate(tidy);
}

export function systemPorts(): Ports {
  return {
    now: createInstantReader(),
    timer(delayMs, fn, idle = false) {
      const handle = setTimeout(fn, Math.max(0, delayMs));
      if (idle) handle.unref();
      return {
        cancel: () => clearTimeout(handle),
        keepAlive: (yes) => void (yes ? handle.ref() : handle.unref()),
      };
    },
    randomOwner: createOwnerSource(),
    random: Math.random,
    identity: readNodeIdentity,
    warn(message, cause) {
      const detail = cause instanceof Error ? cause.message : String(cause);
      process.emitWarning(`${message}: ${detail}`, 'HoldfastWarning');
    },
  };
}

/** What stands for an owner where others can read it: its SHA-256, in hexadecimal. */
export function ownerHash(owner: string): string {
  return hash('sha256', owner, 'hex');
}

/** What is shown in place of an owner: the first 12 hex digits of its SHA-256. */
export function ownerDigest(owner: string): string {
  return ownerHash(owner).slice(0, 12);
}
