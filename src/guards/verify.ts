import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../core/calls.js';
import { StaleFenceError } from '../core/errors.js';
import type { Guard } from '../core/guard.js';
import { seesExpiry } from './expiry.js';

/** One thing that was tried. */
export interface Verification {
  readonly what: string;
  readonly passed: boolean;
  /** What happened instead, where it did not pass. */
  readonly detail?: string;
}

export interface Verdict {
  /** Whether all of it passed. */
  readonly safe: boolean;
  readonly verifications: readonly Verification[];
}

export interface VerifyOptions<Context> {
  /** What is written to: its mark is raised. Default: `holdfast:verify-guard`, which nobody else uses. */
  readonly resource?: string;
  /** What is written, for a sink whose writes are checked one by one. Default: nothing. */
  readonly work?: (context: Context) => unknown;
}

/** How long a raise in the middle of a write is waited for: one that has to wait for the end of the write takes longer. */
const raceMs = 500;

/**
 * Sends a fresh fence through a guard, then stale ones, also one that becomes stale between the check and the write, and looks whether they are
 * refused, and whether something would end the mark. Every call raises the mark of the resource by 4.
 *
 * @throws what the guard throws where the sink cannot be reached at all
 */
export async function verifyGuard<Context>(
  guard: Guard<Context>,
  { resource = 'holdfast:verify-guard', work = () => {} }: VerifyOptions<Context> = {},
): Promise<Verdict> {
  const done: Verification[] = [];
  const note = (what: string, detail: string | undefined) =>
    done.push(detail === undefined ? { what, passed: true } : { what, passed: false, detail });
  const run = (fence: bigint) => guard.run({ resource, fence }, (context) => work(context));
  const fresh = ((await guard.mark(resource)) ?? 0n) + 2n;

  await run(fresh);
  const raised = await guard.mark(resource);
  note('a fresh fence raises the mark', raised === fresh ? undefined : `after fence ${fresh} the mark is ${String(raised)}`);
  note('a fence that is equal to the mark is taken', await failureOf(() => run(fresh)));
  note('a stale fence is refused', await takenOf(() => run(fresh - 1n), fresh - 1n));
  const kept = await guard.raise({ resource, fence: fresh - 1n });
  note(
    'raise never lowers the mark',
    kept === fresh ? undefined : `raise to ${fresh - 1n} answered ${kept} where ${fresh} stood`,
  );
  note('a fence that becomes stale while the work runs is refused', await raceOf(guard, resource, fresh, work));
  if (seesExpiry(guard)) note('nothing ends the mark', await guard.expiryOf(resource));
  return { safe: done.every(({ passed }) => passed), verifications: done };
}

/**
 * The same for a sink that is no guard of ours: a function that writes with a fence, and answers whether the write was taken.
 *
 * @param fresh a fence above all that the sink has seen. Default: the microseconds of this machine's clock
 */
export async function verifySink(
  send: (fence: bigint) => Promise<'accepted' | 'refused'>,
  fresh: bigint = BigInt(Date.now()) * 1_000n,
): Promise<Verdict> {
  const first = await send(fresh);
  const stale = await send(fresh - 1n);
  const again = await send(fresh);
  const verifications: Verification[] = [
    first === 'accepted'
      ? { what: 'a fresh fence is taken', passed: true }
      : { what: 'a fresh fence is taken', passed: false, detail: `fence ${fresh} was refused: has a higher one been here?` },
    stale === 'refused'
      ? { what: 'a stale fence is refused', passed: true }
      : { what: 'a stale fence is refused', passed: false, detail: `fence ${fresh - 1n} was taken after ${fresh}` },
    again === 'accepted'
      ? { what: 'a fence that is equal to the mark is taken', passed: true }
      : {
          what: 'a fence that is equal to the mark is taken',
          passed: false,
          detail: `fence ${fresh} was refused the second time`,
        },
  ];
  return { safe: verifications.every(({ passed }) => passed), verifications };
}

/** Somebody with a higher fence comes while the work runs. Either they wait for its end, or it ends as a stale one. */
async function raceOf<Context>(
  guard: Guard<Context>,
  resource: string,
  mark: bigint,
  work: (context: Context) => unknown,
): Promise<string | undefined> {
  let raised = false;
  let knownBefore = false;
  let failure: string | undefined;
  let raising: Promise<unknown> = Promise.resolve();
  const inTheMiddle = async (context: Context) => {
    raising = guard.raise({ resource, fence: mark + 2n }).then(
      () => {
        raised = true;
      },
      (error: unknown) => {
        failure = `fence ${mark + 2n} could not be raised meanwhile, so that nothing was shown: ${messageOf(error)}`;
      },
    );
    await Promise.race([raising, sleep(raceMs)]);
    knownBefore = raised;
    await work(context);
  };
  let written = false;
  const writing = async () => {
    await guard.run({ resource, fence: mark + 1n }, inTheMiddle);
    written = true;
  };
  const taken = await takenOf(writing, mark + 1n);
  await raising;
  if (!written && taken !== undefined) return taken;
  // Where the raise had to wait for the end of the write, the write came first.
  return knownBefore ? taken : failure;
}

async function failureOf(call: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await call();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What is wrong if the call is not refused as stale. */
async function takenOf(call: () => Promise<unknown>, fence: bigint): Promise<string | undefined> {
  try {
    await call();
    return `fence ${fence} was taken`;
  } catch (error) {
    return error instanceof StaleFenceError ? undefined : `fence ${fence} was refused for another reason: ${messageOf(error)}`;
  }
}
