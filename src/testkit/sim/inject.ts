import type { Fault, Scenario } from './scenario.js';
import type { World } from './world.js';

/** Puts the scheduled faults of a scenario on the agenda of its world, and writes each down when it happens. */
export function inject(world: World, scenario: Scenario): void {
  for (const fault of scenario.faults) {
    if (fault.kind === 'failover') world.scheduler.at(fault.atMs - fault.lagMs, () => world.server.copyToReplica(), false);
    world.scheduler.at(fault.atMs, () => strike(world, scenario, fault));
  }
}

function strike(world: World, scenario: Scenario, fault: Fault): void {
  const process = 'process' in fault ? (world.members.get(fault.process)?.process.name ?? fault.process) : undefined;
  const forMs = 'forMs' in fault ? fault.forMs : 0;
  const { nowMs } = world.scheduler;
  world.recorder.add({ type: 'fault', what: fault.kind, process, fromMs: nowMs, toMs: nowMs + forMs });
  if ('process' in fault) strikeProcess(world, scenario, fault);
  else strikeStore(world, fault);
}

function strikeProcess(world: World, scenario: Scenario, fault: Extract<Fault, { process: string }>): void {
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

function strikeStore(world: World, fault: Exclude<Fault, { process: string }>): void {
  const { scheduler, server } = world;
  const down = (how: 'silent' | 'refusing', forMs: number, then: () => void = () => {}) => {
    server.goDown(how);
    scheduler.after(forMs, () => {
      server.comeUp();
      then();
    });
  };
  switch (fault.kind) {
    case 'outage':
      return down(fault.how, fault.forMs);
    case 'store-pause':
      server.pause();
      scheduler.after(fault.forMs, () => server.resume());
      return;
    case 'store-step-wall':
      return server.stepWall(fault.byMs);
    case 'forget':
      server.forget();
      return down('refusing', fault.forMs);
    case 'failover':
      server.failOver();
      return down('refusing', fault.forMs);
    case 'spurious-wake':
      return world.network.wake(fault.name);
  }
}
