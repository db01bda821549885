import type { Recorder } from '../check/history.js';
import type { SimProcess } from './process.js';
import { between, chance, type Dice, roll } from './rng.js';
import type { MessageFaultRates, Scenario } from './scenario.js';
import type { Scheduler } from './scheduler.js';

type Sort = keyof MessageFaultRates;
type Way = 'there' | 'back';
const callSorts: readonly Sort[] = ['lostRequest', 'lostReply', 'slowRequest', 'slowReply', 'resent', 'straggler', 'freeze'];
const wakeSorts: readonly Sort[] = ['lostWake', 'lateWake'];

/** What stands at the other end. */
interface Server {
  /** Whether what is being done now was asked for by a copy of a message. */
  copying: boolean;
  receive(run: () => void, refuse: () => void): void;
}

/** A message, as decisions about it name it. */
interface Message {
  readonly process: SimProcess;
  /** Its process, and the store where there are several. */
  readonly who: string;
  readonly number: number;
}

/** One request on its way. */
interface Call extends Message {
  /** Runs on the server; answers with what runs on the client. */
  readonly execute: () => () => void;
  readonly fail: (error: Error) => void;
}

interface NetworkOptions {
  readonly scheduler: Scheduler;
  readonly dice: Dice;
  readonly recorder: Recorder;
  readonly server: Server;
  readonly scenario: Scenario;
  /** Where there are several stores: which this one is. */
  readonly node?: number;
  /** By default those of the scenario. */
  readonly messages?: MessageFaultRates;
  /** Its faults are nobody's excuse: without this store, too, all must go well. */
  readonly spare?: boolean;
}

/** Everything between processes and a store: late, lost, doubled, out of order, cut. */
export class Network {
  /** The message faults that happened, for shrinking. */
  readonly happened: string[] = [];
  readonly #scheduler: Scheduler;
  readonly #dice: Dice;
  readonly #recorder: Recorder;
  readonly #server: Server;
  readonly #scenario: Scenario;
  readonly #messages: MessageFaultRates;
  readonly #node: number | undefined;
  readonly #at: string;
  readonly #spare: boolean;
  readonly #only: ReadonlySet<string> | undefined;
  readonly #watchers = new Map<string, Set<{ readonly process: SimProcess; readonly wake: () => void }>>();
  /** When the last undisturbed message of a direction arrives: a connection keeps order. */
  readonly #lastArrivalMs = new Map<string, number>();
  /** Until when a way is cut, by process and direction. */
  readonly #cutUntilMs = new Map<string, number>();
  #inFlight = 0;

  constructor(options: NetworkOptions) {
    const { scheduler, dice, recorder, server, scenario, node, messages = scenario.messages, spare = false } = options;
    this.#scheduler = scheduler;
    this.#dice = dice;
    this.#recorder = recorder;
    this.#server = server;
    this.#scenario = scenario;
    this.#messages = messages;
    this.#node = node;
    this.#at = node === undefined ? '' : `>n${node}`;
    this.#spare = spare;
    this.#only = scenario.onlyMessages === undefined ? undefined : new Set(scenario.onlyMessages);
  }

  /** Requests that have not arrived yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Sends a request. Nothing may ever come back: a client library can hang too. */
  call<T>(process: SimProcess, execute: () => T, resolve: (value: T) => void, reject: (error: Error) => void): void {
    const call: Call = {
      ...this.#message(process),
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
        return this.#send(call, between(this.#dice, 5, 3_000, 'straggles', call.who, call.number), () => {}, true);
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
    for (const { process, wake } of this.#watchers.get(encodedName) ?? []) this.notify(process, wake);
  }

  /** A message that nobody asked for. */
  notify(process: SimProcess, heard: () => void): void {
    if (!process.alive || this.#cut(process, 'back')) return;
    const call = this.#message(process);
    const fault = this.#faultOf(call, wakeSorts);
    if (fault === 'lostWake') return;
    const delayMs = fault === 'lateWake' ? this.#slow(call) : this.#latency(call, 'wake');
    this.#scheduler.after(delayMs, () => process.deliver(heard));
  }

  /** Nothing of this process gets through in this direction for so long. */
  cut(process: string, way: Way, forMs: number): void {
    const key = `${process} ${way}`;
    this.#cutUntilMs.set(key, Math.max(this.#cutUntilMs.get(key) ?? 0, this.#scheduler.nowMs + forMs));
  }

  #cut({ name, partitionedUntilMs }: SimProcess, way: Way): boolean {
    return this.#scheduler.nowMs < Math.max(partitionedUntilMs, this.#cutUntilMs.get(`${name} ${way}`) ?? 0);
  }

  #message(process: SimProcess): Message {
    return { process, who: process.name + this.#at, number: process.messages++ };
  }

  #send(call: Call, delayMs: number, then: (answer: () => void) => void, copy = false): void {
    if (this.#cut(call.process, 'there')) return this.#fails(call, 'no route');
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
    if (this.#cut(call.process, 'back')) return this.#fails(call, 'no route back');
    const { faded } = call.process;
    const fadeMs = this.#scheduler.nowMs < faded.untilMs ? faded.byMs : 0;
    this.#scheduler.after(delayMs + fadeMs, () => call.process.deliver(answer));
  }

  /** Some client libraries notice, some wait for ever. */
  #fails(call: Call, why: string): void {
    if (roll(this.#dice, 'notices', call.who, call.number) < 0.5) return;
    const delayMs = between(this.#dice, 1, 150, 'notices-after', call.who, call.number);
    this.#scheduler.after(delayMs, () => call.process.deliver(() => call.fail(new Error(why))));
  }

  #latency(call: Message, leg: string): number {
    return between(this.#dice, 0.2, this.#scenario.store.latencyMs, leg, call.who, call.number);
  }

  #slow(call: Message): number {
    return between(this.#dice, 5, 1_200, 'slow', call.who, call.number);
  }

  #frozenMs(call: Message): number {
    return between(this.#dice, 50, 3_000, 'frozen', call.who, call.number);
  }

  #ordered(call: Call, leg: string): number {
    const key = `${call.process.name} ${leg}`;
    const atMs = Math.max(this.#scheduler.nowMs + this.#latency(call, leg), this.#lastArrivalMs.get(key) ?? 0);
    this.#lastArrivalMs.set(key, atMs);
    return atMs - this.#scheduler.nowMs;
  }

  #faultOf(call: Message, sorts: readonly Sort[]): Sort | undefined {
    if (this.#scheduler.nowMs > this.#scenario.endMs) return undefined;
    const sort = sorts.find((it) => chance(this.#dice, this.#messages[it], it, call.who, call.number));
    const key = `${call.who}/${call.number}`;
    if (sort === undefined || this.#only?.has(key) === false) return undefined;
    this.happened.push(key);
    const fromMs = this.#scheduler.nowMs;
    const process = this.#spare ? call.who : call.process.name;
    const toMs = fromMs + this.#lasts(call, sort);
    // A process that stands still does so for all of them.
    const where = this.#node === undefined || sort === 'freeze' ? {} : { node: this.#node };
    this.#recorder.add({ type: 'fault', what: sort, process, ...where, fromMs, toMs });
    return sort;
  }

  #lasts(call: Message, sort: Sort): number {
    if (sort === 'straggler') return between(this.#dice, 5, 3_000, 'straggles', call.who, call.number);
    if (sort === 'freeze') return this.#frozenMs(call);
    return sort.startsWith('lost') ? 0 : this.#slow(call);
  }
}
