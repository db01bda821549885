import type { Backend, LockRecord } from '../../core/backend.js';
import type { Recorder } from '../check/history.js';
import type { SimProcess } from './process.js';
import type { Dice } from './rng.js';
import type { Fault, Scenario } from './scenario.js';
import type { Scheduler } from './scheduler.js';

/** What a world is made of besides its processes. */
export interface Surroundings {
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly recorder: Recorder;
  readonly scenario: Scenario;
}

/** A fault of a store, or of the way to one of several. */
export type StoreFault = Exclude<Fault, { readonly process: string }> | Extract<Fault, { readonly node: number }>;

/** The stores of a world, and the ways to them. */
export interface Stores {
  /** The message faults that happened, as `Scenario.onlyMessages` takes them. */
  readonly messageFaults: readonly string[];
  /** The client side for one process. */
  connect(process: SimProcess): Backend;
  /** Notes the state that a later fault is going to bring back. */
  remember(fault: StoreFault): void;
  /** @param process who is meant, by the name under which it runs now */
  strike(fault: StoreFault, process: string): void;
  /** What is still there at the end, with the owners that only the simulator may know. */
  left(): readonly { readonly owner: string; readonly record: LockRecord }[];
}
