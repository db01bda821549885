import type { Fault, NodeFault, Scenario } from './scenario.js';
import type { World } from './world.js';

/** Puts the scheduled faults of a scenario on the agenda of its world, and writes each down when it happens. */
export function inject(world: World, scenario: Scenario): void {
  for (const fault of scenario.faults) {
    if ('lagMs' in fault) world.scheduler.at(fault.atMs - fault.lagMs, () => world.stores.remember(fault), false);
    world.scheduler.at(fault.atMs, () => strike(world, scenario, fault));
  }
}

function strike(world: World, scenario: Scenario, fault: Fault): void {
  const process = 'process' in fault ? (world.members.get(fault.process)?.process.name ?? fault.process) : undefined;
  // A node that may have forgotten votes is of no use until its grace is over.
  const graceMs = fault.kind === 'node-restart' ? (scenario.quorum?.maxTtlMs ?? 0) : 0;
  const forMs = ('forMs' in fault ? fault.forMs : 0) + graceMs;
  const { nowMs } = world.scheduler;
  const sufferer = isSpare(scenario, fault) ? `node ${fault.node}` : process;
  const where = 'node' in fault ? { node: fault.node } : {};
  world.recorder.add({ type: 'fault', what: fault.kind, process: sufferer, ...where, fromMs: nowMs, toMs: nowMs + forMs });
  if ('node' in fault || !('process' in fault)) world.stores.strike(fault, process ?? '');
  else strikeProcess(world, scenario, fault);
}

/** Without this node, too, all must go well: its trouble is nobody's excuse. */
function isSpare(scenario: Scenario, fault: Fault): fault is NodeFault {
  return 'node' in fault && scenario.quorum?.nodes[fault.node]?.spare === true;
}

type ProcessFault = Exclude<Extract<Fault, { readonly process: string }>, NodeFault>;

function strikeProcess(world: World, scenario: Scenario, fault: ProcessFault): void {
  const process = world.members.get(fault.process)?.process;
  if (process === undefined || !process.alive) return;
  const { scheduler } = world;
  switch (fault.kind) {
    case 'pause':
      process.pause();
      scheduler.after(fault.forMs, () => process.resume());
      return;
    case 'suspend':
      if (process.clock.suspended) return;
      process.suspend();
      scheduler.after(fault.forMs, () => process.wake());
      return;
    case 'partition':
      process.partitionedUntilMs = Math.max(process.partitionedUntilMs, scheduler.nowMs + fault.forMs);
      return;
    case 'fade':
      process.faded = { byMs: fault.byMs, untilMs: scheduler.nowMs + fault.cutAfterMs };
      scheduler.after(fault.cutAfterMs, () => {
        process.partitionedUntilMs = Math.max(process.partitionedUntilMs, scheduler.nowMs + fault.forMs - fault.cutAfterMs);
      });
      return;
    case 'step-wall':
      process.clock.stepWall(fault.byMs);
      return;
    case 'crash': {
      world.crash(fault.process);
      const plan = scenario.processes.find((it) => it.name === fault.process);
      if (fault.restartAfterMs === undefined || plan === undefined) return;
      const generation = process.name.split("'").length === 1 ? 1 : Number(process.name.split("'")[1]) + 1;
      scheduler.after(fault.restartAfterMs, () => world.start(plan, generation));
    }
  }
}
