import { run } from './run.js';
import { noMessageFaults, type Scenario } from './scenario.js';

export interface Shrunk {
  readonly scenario: Scenario;
  /** How many runs it took. */
  readonly runs: number;
}

/** Parts of a scenario that can be left out. What they are to each other does not matter: decisions do not shift. */
interface Parts {
  readonly faults: readonly number[];
  readonly messages: readonly string[];
  readonly ops: readonly string[];
}

/**
 * Leaves out whatever a violation of the same rule does not need: halves first, then one by one, until nothing more can
 * go. (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002.)
 */
export async function shrink(scenario: Scenario, rule: string, runsMax = 400): Promise<Shrunk> {
  const first = await run(scenario);
  let runs = 1;
  let parts: Parts = {
    faults: scenario.faults.map((_, i) => i),
    messages: first.messageFaults,
    ops: scenario.processes.flatMap(({ callers }) => callers.flatMap((ops) => ops.map(({ id }) => id))),
  };
  const fails = async (candidate: Parts) => {
    runs += 1;
    return (await run(keepOnly(scenario, candidate))).violations.some((violation) => violation.rule === rule);
  };
  // A run without chance faults draws the same lots; should it pass all the same, there is nothing to build on.
  if (!(await fails(parts))) return { scenario, runs };
  for (let before = -1; before !== size(parts) && runs < runsMax; ) {
    before = size(parts);
    for (const key of ['faults', 'messages', 'ops'] as const) {
      const kept = await reduce<unknown>(
        parts[key],
        (items) => fails({ ...parts, [key]: items } as Parts),
        () => runs < runsMax,
      );
      parts = { ...parts, [key]: kept } as Parts;
    }
  }
  return { scenario: keepOnly(scenario, parts), runs };
}

async function reduce<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  more: () => boolean,
): Promise<readonly T[]> {
  let kept = items;
  for (let chunk = Math.ceil(kept.length / 2); chunk >= 1 && more(); chunk = chunk === 1 ? 0 : Math.ceil(chunk / 2)) {
    for (let i = 0; i < kept.length && more(); ) {
      const without = [...kept.slice(0, i), ...kept.slice(i + chunk)];
      if (await fails(without)) kept = without;
      else i += chunk;
    }
  }
  return kept;
}

function size(parts: Parts): number {
  return parts.faults.length + parts.messages.length + parts.ops.length;
}

function keepOnly(scenario: Scenario, { faults, messages, ops }: Parts): Scenario {
  const wanted = new Set(ops);
  return {
    ...scenario,
    faults: faults.flatMap((i) => scenario.faults[i] ?? []),
    onlyMessages: messages,
    messages: messages.length === 0 ? noMessageFaults : scenario.messages,
    processes: scenario.processes.map((plan) => ({
      ...plan,
      callers: plan.callers.map((caller) => caller.filter(({ id }) => wanted.has(id))),
    })),
  };
}
