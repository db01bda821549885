import process from 'node:process';
import { check, type Violation } from '../check/check.js';
import { formatEvent, type History } from '../check/history.js';
import { inject } from './inject.js';
import type { SimProcess } from './process.js';
import { noMessageFaults, type Scenario } from './scenario.js';
import { World } from './world.js';

export interface RunResult {
  readonly history: History;
  readonly violations: readonly Violation[];
  /** Message faults that happened, as `Scenario.onlyMessages` takes them. */
  readonly messageFaults: readonly string[];
}

/** Long after everything was well again: whoever still waits waits for ever. */
const patienceMs = 60_000;
/** No scenario needs a tenth of it. */
const eventsMax = 60_000;
/** The last wake-ups and copies of messages are still under way. */
const echoMs = 20;
/** Of nodes that were not waited for, too: their deadlines. */
const quorumEchoMs = 2_500;

/** Plays one scenario against the real core, heals the world, closes everything, and judges what happened. */
export async function run(scenario: Scenario): Promise<RunResult> {
  const world = new World(scenario);
  const unhandled = (reason: unknown) =>
    world.recorder.add({ type: 'unhandled', message: reason instanceof Error ? reason.message : String(reason) });
  process.on('unhandledRejection', unhandled);
  try {
    await play(world, scenario);
  } finally {
    process.off('unhandledRejection', unhandled);
  }
  const history: History = { promises: promisesOf(scenario), events: world.recorder.events };
  return { history, violations: check(history), messageFaults: world.stores.messageFaults };
}

async function play(world: World, scenario: Scenario): Promise<void> {
  const { scheduler, recorder } = world;
  inject(world, scenario);
  for (const plan of scenario.processes) world.start(plan);
  // Whatever is on the agenda of faults ends by itself; a caller that waits for ever ends the patience.
  const healedMs = Math.max(scenario.endMs, ...scenario.faults.map((fault) => fault.atMs + ('forMs' in fault ? fault.forMs : 0)));
  const untilMs = healedMs + patienceMs;
  const spun = () => recorder.add({ type: 'spinning', events: scheduler.events });
  if ((await scheduler.run(healedMs + 1_500, eventsMax, () => false)) === 'spin') return spun();
  if ((await scheduler.run(untilMs, eventsMax, () => world.busy === 0)) === 'spin') return spun();
  for (const [op, { name }] of world.pending) recorder.add({ type: 'stuck', process: name, op });
  await closeAll(world, scenario.quorum === undefined ? echoMs : quorumEchoMs);
}

async function closeAll(world: World, afterMs: number): Promise<void> {
  const { scheduler, recorder } = world;
  const living = [...world.members.values()].filter(({ process: it }) => it.alive);
  const closes = living.map((member) => {
    const done = { yet: false, member };
    member.process.deliver(() => void world.close(member).then(() => (done.yet = true)));
    return done;
  });
  await scheduler.run(scheduler.nowMs + patienceMs, eventsMax, () => closes.every(({ yet }) => yet));
  for (const { yet, member } of closes) if (!yet) recorder.add({ type: 'stuck', process: member.process.name, op: 'close' });
  await scheduler.run(scheduler.nowMs + afterMs, eventsMax, () => false);
  leftovers(
    world,
    living.map(({ process: it }) => it),
  );
}

function leftovers(world: World, living: readonly SimProcess[]): void {
  const { recorder, stores } = world;
  for (const { name, timersArmed } of living) {
    if (timersArmed > 0) recorder.add({ type: 'timers-left', process: name, count: timersArmed });
  }
  for (const { owner, record } of stores.left()) {
    if (!living.some(({ name }) => name === record.node.host)) continue;
    recorder.add({ type: 'left-in-store', process: record.node.host, owner, name: record.name, state: record.state });
  }
}

function promisesOf({ faults, kind, messages, quorum, store }: Scenario): History['promises'] {
  // A node of a quorum may forget: its grace makes good for it. But a clock that jumps ahead ends its locks too early.
  const forgets = faults.some(
    (fault) => fault.kind === 'forget' || fault.kind === 'failover' || (fault.kind === 'node-step-wall' && fault.byMs > 0),
  );
  const calm =
    kind === 'calm' && faults.length === 0 && Object.keys(noMessageFaults).every((key) => messages[key as 'resent'] === 0);
  const { queue, push, pollMs, latencyMs } = store;
  const majority = quorum === undefined ? {} : { quorum: Math.floor(quorum.nodes.length / 2) + 1 };
  return { durable: !forgets, calm, queue, push, pollMs, latencyMs, ...majority };
}

/** The same for the same scenario and the same code. */
export function digest(history: History): string {
  let h = 0x811c9dc5;
  for (const event of history.events) {
    const line = formatEvent(event);
    for (let i = 0; i < line.length; i++) h = Math.imul(h ^ line.charCodeAt(i), 0x01000193);
  }
  return (h >>> 0).toString(16).padStart(8, '0');
}
