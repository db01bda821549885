import type { Recorder } from '../check/history.js';
import type { SimProcess } from './process.js';
import { between, chance, type Dice, roll } from './rng.js';
import type { MessageFaultRates, Scenario } from './scenario.js';
import type { Scheduler } from './scheduler.js';
import type { SimServer } from './server.js';

type Sort = keyof MessageFaultRates;
const callSorts: readonly Sort[] = ['lostRequest', 'lostReply', 'slowRequest', 'slowReply', 'resent', 'straggler', 'freeze'];
const wakeSorts: readonly Sort[] = ['lostWake', 'lateWake'];

/** One request on its way. */
interface Call {
  readonly process: SimProcess;
  readonly number: number;
  /** Runs on the server; answers with what runs on the client. */
  readonly execute: () => () => void;
  readonly fail: (error: Error) => void;
}

/** Everything between processes and the store: late, lost, doubled, out of order, cut. */
export class Network {
  /** The message faults that happened, for shrinking. */
  readonly happened: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #recorder: Recorder;
  readonly #server: SimServer;
  readonly #scenario: Scenario;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #watchers = new Map<string, Set<{ readonly process: SimProcess; readonly wake: () => void }>>();
  /** When the last undisturbed message of a direction arrives: a connection keeps order. */
  readonly #lastArrivalMs = new Map<string, number>();
  #inFlight = 0;

  constructor(world: { scheduler: Scheduler; dice: Dice; recorder: Recorder; server: SimServer; scenario: Scenario }) {
    this.#scheduler = world.scheduler;
    this.#dice = world.dice;
    this.#recorder = world.recorder;
    this.#server = world.server;
    this.#scenario = world.scenario;
    this.#only = world.scenario.onlyMessages === undefined ? undefined : new Set(world.scenario.onlyMessages);
    this.#server.onWake = (name) => this.wake(name);
  }

  /** Requests that have not arrived yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends a request. Nothing may ever come back: a client library can hang too. */
  call<T>(process: SimProcess, execute: () => T, resolve: (value: T) => void, reject: (error: Error) => void): void {
    const call: Call = {
      process,
      number: process.messages++,
      execute: () => {
        const value = execute();
        return () => resolve(value);
      },
      fail: reject,
    };
    switch (this.#faultOf(call, callSorts)) {
      case 'lostRequest':
        return this.#fails(call, 'request lost');
      case 'lostReply':
        return this.#send(call, this.#latency(call, 'there'), () => this.#fails(call, 'reply lost'));
      case 'slowRequest':
        return this.#send(call, this.#slow(call), (answer) => this.#reply(call, answer));
      case 'slowReply':
        return this.#send(call, this.#latency(call, 'there'), (answer) => this.#reply(call, answer, this.#slow(call)));
      case 'resent':
        this.#send(call, this.#latency(call, 'there'), () => {});
        return this.#send(call, this.#slow(call), (answer) => this.#reply(call, answer));
      case 'straggler':
        this.#send(call, this.#latency(call, 'there'), (answer) => this.#reply(call, answer));
        return this.#send(call, between(this.#dice, 5, 3_000, 'straggles', call.process.name, call.number), () => {}, true);
      case 'freeze':
        this.#scheduler.after(0.05, () => call.process.pause(), false);
        this.#scheduler.after(this.#frozenMs(call), () => call.process.resume());
        return this.#send(call, this.#latency(call, 'there'), (answer) => this.#reply(call, answer));
      default:
        return this.#send(call, this.#ordered(call, 'there'), (answer) => this.#reply(call, answer));
    }
  }

  watch(encodedName: string, process: SimProcess, wake: () => void): () => void {
    const set = this.#watchers.get(encodedName) ?? new Set();
    this.#watchers.set(encodedName, set);
    const entry = { process, wake };
    set.add(entry);
    return () => void set.delete(entry);
  }

  wake(encodedName: string): void {
    for (const watcher of this.#watchers.get(encodedName) ?? []) {
      const { process, wake } = watcher;
      if (!process.alive || this.#cut(process)) continue;
      const call = { process, number: process.messages++ };
      const fault = this.#faultOf(call, wakeSorts);
      if (fault === 'lostWake') continue;
      const delayMs = fault === 'lateWake' ? this.#slow(call) : this.#latency(call, 'wake');
      this.#scheduler.after(delayMs, () => process.deliver(wake));
    }
  }

  #cut(process: SimProcess): boolean {
    return this.#scheduler.nowMs < process.partitionedUntilMs;
  }

  #send(call: Call, delayMs: number, then: (answer: () => void) => void, copy = false): void {
    if (this.#cut(call.process)) return this.#fails(call, 'no route');
    this.#inFlight += 1;
    const run = () => {
      this.#server.copying = copy;
      then(call.execute());
      this.#server.copying = false;
    };
    const refuse = () =>
      this.#scheduler.after(1, () => call.process.deliver(() => call.fail(new Error('the store refuses connections'))));
    this.#scheduler.after(
      delayMs,
      () => {
        this.#inFlight -= 1;
        this.#server.receive(run, refuse);
      },
      false,
    );
  }

  #reply(call: Call, answer: () => void, delayMs = this.#ordered(call, 'back')): void {
    if (this.#cut(call.process)) return this.#fails(call, 'no route back');
    const { faded } = call.process;
    const fadeMs = this.#scheduler.nowMs < faded.untilMs ? faded.byMs : 0;
    this.#scheduler.after(delayMs + fadeMs, () => call.process.deliver(answer));
  }

  /** Some client libraries notice, some wait for ever. */
  #fails(call: Call, why: string): void {
    if (roll(this.#dice, 'notices', call.process.name, call.number) < 0.5) return;
    const delayMs = between(this.#dice, 1, 150, 'notices-after', call.process.name, call.number);
    this.#scheduler.after(delayMs, () => call.process.deliver(() => call.fail(new Error(why))));
  }

  #latency(call: { process: SimProcess; number: number }, leg: string): number {
    return between(this.#dice, 0.2, this.#scenario.store.latencyMs, leg, call.process.name, call.number);
  }

  #slow(call: { process: SimProcess; number: number }): number {
    return between(this.#dice, 5, 1_200, 'slow', call.process.name, call.number);
  }

  #frozenMs(call: { process: SimProcess; number: number }): number {
    return between(this.#dice, 50, 3_000, 'frozen', call.process.name, call.number);
  }

  #ordered(call: Call, leg: string): number {
    const key = `${call.process.name} ${leg}`;
    const atMs = Math.max(this.#scheduler.nowMs + this.#latency(call, leg), this.#lastArrivalMs.get(key) ?? 0);
    this.#lastArrivalMs.set(key, atMs);
    return atMs - this.#scheduler.nowMs;
  }

  #faultOf(call: { process: SimProcess; number: number }, sorts: readonly Sort[]): Sort | undefined {
    if (this.#scheduler.nowMs > this.#scenario.endMs) return undefined;
    const { name } = call.process;
    const sort = sorts.find((it) => chance(this.#dice, this.#scenario.messages[it], it, name, call.number));
    const key = `${name}/${call.number}`;
    if (sort === undefined || this.#only?.has(key) === false) return undefined;
    this.happened.push(key);
    const fromMs = this.#scheduler.nowMs;
    this.#recorder.add({ type: 'fault', what: sort, process: name, fromMs, toMs: fromMs + this.#lasts(call, sort) });
    return sort;
  }

  #lasts(call: { process: SimProcess; number: number }, sort: Sort): number {
    if (sort === 'straggler') return between(this.#dice, 5, 3_000, 'straggles', call.process.name, call.number);
    if (sort === 'freeze') return this.#frozenMs(call);
    return sort.startsWith('lost') ? 0 : this.#slow(call);
  }
}
