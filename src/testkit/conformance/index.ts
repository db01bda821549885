import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { LeaseLostError } from '../../core/errors.js';
import { definitions } from './cases.js';
import type { ConformanceCase, Fixture, Runner } from './fixture.js';
import { type CaseDefinition, sleep, within } from './helpers.js';
import { watchProcessors } from './processors.js';
import { Scene } from './scene.js';

export type { ConformanceCase, Fixture, Runner, Skip } from './fixture.js';

const timeoutMsDefault = 60_000;
/** What the runner allows on top, so that a case that hangs is ended here, and what it left open is closed. */
const cleanUpMs = 10_000;
/** A pause of the event loop that the shortest TTLs of the suite do not survive. */
const stallNs = 200e6;
const delayResolutionMs = 10;

/** Ids of all cases, in the order in which they run. */
export const conformanceCaseIds: readonly string[] = definitions.map((definition) => definition.id);

/**
 * What every backend must do, as tests. In a vitest file:
 *
 * ```ts
 * import { afterAll, describe, it } from 'vitest';
 * import { runConformance } from 'holdfast/testkit';
 * import { startServer, tuple } from './tuple.js';
 *
 * const server = await startServer();
 * runConformance(
 *   { describe, it, after: afterAll, concurrently: describe.concurrent },
 *   {
 *     name: 'tuple',
 *     open: () => tuple({ url: server.url }), // one more client of the same store
 *     forgetEverything: () => server.wipe(),
 *     close: () => server.stop(),
 *     skip: [{ reason: 'the server rounds TTLs up to seconds', cases: ['acquire/asking-again-renews-the-ttl'] }],
 *   },
 * );
 * ```
 *
 * Cases choose names of their own, so they run at the same time and on a store that is in use. What a store cannot do
 * is read from `backend.traits`; cases about it are skipped.
 *
 * @throws TypeError if a skip names no case or has no reason, or if the fixture must be closed and the runner cannot
 */
export function runConformance(runner: Runner, fixture: Fixture): void {
  const cases = conformanceCases(fixture);
  if (fixture.close !== undefined && runner.after === undefined) {
    throw new TypeError('the fixture has close(), so the runner needs after: pass afterAll (vitest) or after (node:test, mocha)');
  }
  const register = (chosen: readonly ConformanceCase[]) => {
    for (const one of chosen) registerCase(runner, fixture, one);
  };
  const together = runner.concurrently ?? runner.describe;
  runner.describe(`conformance of ${fixture.name}`, () => {
    if (fixture.close !== undefined) runner.after?.(() => fixture.close?.());
    together('together', () => register(cases.filter((one) => !one.alone)));
    runner.describe('alone', () => register(cases.filter((one) => one.alone)));
  });
}

function registerCase(runner: Runner, fixture: Fixture, one: ConformanceCase): void {
  const title = one.skipped === undefined ? one.id : `${one.id} (skipped: ${one.skipped})`;
  const options = { timeout: 2 * timeoutOf(fixture) + cleanUpMs, skip: one.skipped !== undefined };
  // No declared parameter: mocha would take it for a callback that it has to wait for.
  runner.it(title, options, async (...context: unknown[]) => {
    const reason = await one.run();
    const test = context[0] as { skip?: (reason: string) => void } | undefined;
    if (reason !== undefined) test?.skip?.(reason);
  });
}

/**
 * The cases as data, for a runner that `runConformance` does not fit.
 *
 * @throws TypeError if a skip names no case or has no reason
 */
export function conformanceCases(fixture: Fixture): readonly ConformanceCase[] {
  const skips = readSkips(fixture);
  return definitions.map((definition) => ({
    id: definition.id,
    alone: definition.alone,
    skipped: skips.get(definition.id) ?? missing(definition, fixture),
    run: () => runCase(definition, fixture),
  }));
}

function readSkips(fixture: Fixture): Map<string, string> {
  const skips = new Map<string, string>();
  for (const { reason, cases } of fixture.skip ?? []) {
    if (reason.trim() === '') throw new TypeError(`a skip of ${cases.join(', ')} has no reason: say why`);
    for (const id of cases) {
      if (!conformanceCaseIds.includes(id)) throw new TypeError(`a skip names "${id}", which is no case: correct or remove it`);
      skips.set(id, reason);
    }
  }
  return skips;
}

function missing(definition: CaseDefinition, fixture: Fixture): string | undefined {
  const unable = definition.needs.includes('forgetEverything') && fixture.forgetEverything === undefined;
  return unable ? 'the fixture has no forgetEverything()' : undefined;
}

function timeoutOf(fixture: Fixture): number {
  return fixture.timeoutMs ?? timeoutMsDefault;
}

/**
 * Once more if this process stood still meanwhile, or the store gave no answer in time (to a call, or to the renewals of a lease) while no
 * processor was idle: leases then end as they should, and the failure proves nothing. A defect is still there at the second time.
 */
async function runCase(definition: CaseDefinition, fixture: Fixture): Promise<string | undefined> {
  const delay = monitorEventLoopDelay({ resolution: delayResolutionMs });
  delay.enable();
  const processors = watchProcessors();
  const provesNothing = async (error: unknown) => {
    if (definition.alone) return false;
    if (gaveNoAnswer(error) && processors.wereBusy()) return true;
    // What held up everything else held up the measurement, too.
    await sleep(2 * delayResolutionMs);
    return delay.max >= stallNs;
  };
  try {
    return await runOnce(definition, fixture, provesNothing);
  } catch (error) {
    if (!(await provesNothing(error))) throw error;
    return await runOnce(definition, fixture);
  } finally {
    delay.disable();
    processors.stop();
  }
}

/** Also by a library that wraps what it was told, or that had no answer to a renewal before the end of a lease. */
function gaveNoAnswer(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code, loss } = error as Partial<LeaseLostError>;
  if (code === 'OUTCOME_UNKNOWN' || code === 'BACKEND_UNAVAILABLE') return true;
  return (code === 'LEASE_LOST' && loss === 'expired') || gaveNoAnswer(error.cause);
}

/** @param isRepeated whether a failure is: then nothing of it may be left for a check of the whole store to find */
async function runOnce(
  definition: CaseDefinition,
  fixture: Fixture,
  isRepeated: (error: unknown) => Promise<boolean> = async () => false,
): Promise<string | undefined> {
  const scene = await Scene.open(fixture);
  const reason = scene.lacks(definition.needs);
  if (reason !== undefined) {
    await scene.abort();
    return reason;
  }
  try {
    await within(definition.run(scene), timeoutOf(fixture), definition.id);
    await scene.end();
  } catch (error) {
    await ((await isRepeated(error)) ? scene.giveUp() : scene.abort());
    throw error;
  }
  return undefined;
}
