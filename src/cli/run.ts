import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { HoldfastError } from '../core/errors.js';
import type { Holdfast } from '../core/holdfast.js';
import type { HeldLease, ReleaseOutcome } from '../core/lease.js';
import { Child, signalNumber } from './child.js';
import { checkArguments, checkCommand } from './command.js';
import { diesWithParent } from './dies-with-parent.js';
import { roughDuration } from './duration.js';
import { exit } from './exit.js';
import { outerLocks } from './outer-locks.js';
import { parseRun, type RunOptions } from './run-options.js';
import { say } from './say.js';
import { openToHold } from './session.js';
import { SignalRelay } from './signals.js';
import { numbered, Supervisor } from './supervise.js';
import { marks } from './undertaker/mark.js';
import { watchWaiting } from './waiting-notice.js';

/** The command is over, its status is known: the store gets this long to take note of it (or the TTL, if shorter). */
const farewellMsMax = 10_000;
/** There was no command: what may be left in the store ends with its TTL, and whoever pressed Ctrl-C waits for us. */
const farewellWithoutWorkMsMax = 2_000;
/** After a loss there is nothing to give back, and whoever waits for the status should learn of the loss. */
const farewellAfterLossMsMax = 300;

/** `holdfast run NAME -- COMMAND`: the command's own exit status, or one of ours. */
export async function run(argv: readonly string[]): Promise<number> {
  const options = parseRun(argv);
  checkArguments(argv);
  checkCommand(options.command[0] ?? '');
  // Known by the time at which it is needed.
  const prefixing = diesWithParent();
  const gaveUp = new AbortController();
  let supervisor: Supervisor | undefined;
  const relay = new SignalRelay({
    giveUp: () => gaveUp.abort(),
    continued: () => supervisor?.continued(),
  });
  const { locks, wills } = await openToHold(options.backend);
  let lease: HeldLease;
  let prefix: readonly string[];
  try {
    lease = await obtain(locks, options, gaveUp);
    prefix = await prefixing;
    gaveUp.signal.throwIfAborted();
  } catch (error) {
    await atMost(farewellWithoutWorkMsMax, locks.close());
    if (relay.gaveUp !== undefined) return exit.signalBase + signalNumber(relay.gaveUp);
    throw error;
  }
  return runUnder(lease, locks, () => {
    const runId = randomUUID();
    const child = new Child(prefix, options.command, environment(lease, runId), wills.willOf(lease, runId));
    relay.child = child;
    supervisor = new Supervisor(lease, child, options);
    return [child, supervisor];
  });
}

async function obtain(locks: Holdfast, options: RunOptions, gaveUp: AbortController): Promise<HeldLease> {
  const stopWatching = watchWaiting(locks, options.name, gaveUp);
  try {
    return await locks.acquire(options.name, {
      mode: options.shared ? 'shared' : 'exclusive',
      ttlMs: options.ttlMs,
      signal: gaveUp.signal,
      metadata: { command: (options.command[0] ?? '').slice(0, 200) },
      ...(options.waitMs === undefined ? {} : { waitMs: options.waitMs }),
    });
  } finally {
    stopWatching();
  }
}

async function runUnder(lease: HeldLease, locks: Holdfast, start: () => readonly [Child, Supervisor]): Promise<number> {
  let child: Child | undefined;
  let lost: string | undefined;
  let left: readonly number[] | undefined;
  try {
    const [started, supervisor] = start();
    child = started;
    const result = await supervisor.finished();
    if (result.left === undefined) child.over();
    lost = result.lost;
    left = result.left;
    return lost === undefined ? result.status : exit.lost;
  } finally {
    // After --max-hold it is still ours.
    const isLost = lease.signal.aborted;
    const { answered, trouble } = await giveBack(lease, locks, isLost ? farewellAfterLossMsMax : farewellMsMax);
    // Else its guard goes on trying after us.
    if (answered || isLost) await child?.forget();
    // Said last: whoever should read it may keep us waiting.
    if (lost === undefined && trouble !== undefined) say(trouble);
    if (lost !== undefined) say(`stopped the command under "${lease.name}": ${lost}`);
    if (left !== undefined) say(`beside whoever holds "${lease.name}" next there still runs ${numbered(left)}`);
  }
}

function environment(lease: HeldLease, runId: string): NodeJS.ProcessEnv {
  return {
    ...process.env,
    HOLDFAST_NAME: lease.name,
    HOLDFAST_FENCE: String(lease.fence),
    HOLDFAST_TTL_MS: String(lease.ttlMs),
    ...outerLocks(process.env),
    ...marks(runId, process.env),
  };
}

/** A release without an answer is tried again in the background; `close` waits for it. `answered`: by the store. */
async function giveBack(
  lease: HeldLease,
  locks: Holdfast,
  timeMs: number,
): Promise<{ readonly answered: boolean; readonly trouble?: string }> {
  let outcome: ReleaseOutcome | undefined;
  const work = async () => {
    outcome = await lease.release();
    await locks.close();
    return true;
  };
  const done = await atMost(Math.min(timeMs, lease.ttlMs), work());
  const answered = outcome === 'unknown' ? done === true : outcome !== undefined;
  if (outcome === 'released' || (outcome === 'unknown' && answered)) return { answered };
  const left = roughDuration(lease.ttlMs);
  const trouble = `could not give "${lease.name}" back (${outcome ?? 'no answer'}): it is free after ${left} at the latest`;
  return { answered, trouble };
}

/** The value, or undefined if it takes too long or fails: neither may cost the command its exit status. */
async function atMost<T>(timeMs: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), timeMs);
  });
  try {
    return await Promise.race([work, tooLong]);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
