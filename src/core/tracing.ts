import { Buffer } from 'node:buffer';
import type { Metadata } from './backend.js';
import { checkedMetadata } from './checks.js';
import type { Ports } from './clock.js';
import type { LeaseLostError } from './errors.js';
import type { Lease, ReleaseOutcome, Turn } from './lease.js';
import { limits } from './limits.js';
import type { LiveHold } from './live-hold.js';
import type { Settings } from './options.js';
import type { FailedRenewal, NoTurn, Notes, RequestTrace, TracedRequest, Tracer } from './tracer.js';

type Warn = Ports['warn'];

/** The tracer of an instance. Watching never breaks a lock (invariant 10): what a tracer throws ends here. */
export class Tracing {
  readonly #tracer: Tracer;
  readonly #warn: Warn;
  readonly #node: string;

  constructor(tracer: Tracer, warn: Warn, node: string) {
    this.#tracer = tracer;
    this.#warn = warn;
    this.#node = node;
  }

  /** To be called in the async context of the caller. */
  follow(method: TracedRequest['method'], name: string, { mode, steal, ttlMs }: Settings): CallerTrace | undefined {
    const follow = (tracer: Tracer) => {
      const trace = tracer.follow({ method, name, mode, steal, ttlMs, node: this.#node });
      return trace === undefined ? undefined : new CallerTrace(trace, this.#warn);
    };
    return guarded(this.#warn, 'follow', follow, this.#tracer);
  }
}

/** What a tracer is told of one request. */
export class CallerTrace {
  readonly note: Metadata | undefined;
  readonly #trace: RequestTrace;
  readonly #warn: Warn;

  constructor(trace: RequestTrace, warn: Warn) {
    this.#trace = trace;
    this.#warn = warn;
    this.note = guarded(warn, 'note', ({ note }) => (note === undefined ? undefined : checkedMetadata(note)), trace);
  }

  /** The user's metadata and the note, if there is room for both: a note must not make a legal request fail. */
  noteOn(metadata: Metadata): Metadata {
    if (this.note === undefined) return metadata;
    // It was measured when it was made.
    if (Object.keys(metadata).length === 0) return this.note;
    const both = { ...this.note, ...metadata };
    return Buffer.byteLength(JSON.stringify(both)) > limits.metadataBytesMax ? metadata : both;
  }

  failed(because: NoTurn, reason: unknown, behind: Notes): void {
    this.#tell('failed', (trace) => trace.failed(because, reason, behind));
  }

  notAvailable(behind: Notes): void {
    this.#tell('notAvailable', (trace) => trace.notAvailable(behind));
  }

  granted({ mintedFence: fence, waitedMs }: Turn, { fences: { first: leaseGeneration } }: LiveHold, behind: Notes): void {
    this.#tell('granted', (trace) => trace.granted({ fence, leaseGeneration, waitedMs, behind }));
  }

  handedOut(lease: Lease): void {
    this.#tell('handedOut', (trace) => trace.handedOut(lease));
  }

  /** Runs the work once, whatever the tracer does, and answers as the work does. */
  run<T>(lease: Lease | null, work: () => T): T {
    const once = new Once(work);
    try {
      const answer: unknown = this.#trace.run(lease, once.run);
      // How the work ends is told below: no second promise of it needs anybody.
      if (answer instanceof Promise && !once.answered(answer)) answer.catch(() => undefined);
    } catch (error) {
      // What the work itself threw comes out of the tracer, too, and is none of its business.
      if (!once.threw(error)) thrown(this.#warn, 'run', error);
    }
    return once.run();
  }

  renewalFailed(failure: FailedRenewal): void {
    this.#tell('renewalFailed', (trace) => trace.renewalFailed(failure));
  }

  lost(error: LeaseLostError): void {
    this.#tell('lost', (trace) => trace.lost(error));
  }

  ended(): void {
    this.#tell('ended', (trace) => trace.ended());
  }

  releasing(): void {
    this.#tell('releasing', (trace) => trace.releasing());
  }

  over(outcome: ReleaseOutcome | undefined): void {
    this.#tell('over', (trace) => trace.over(outcome));
  }

  #tell(what: keyof RequestTrace, tell: (trace: RequestTrace) => unknown): void {
    guarded(this.#warn, what, tell, this.#trace);
  }
}

export const noNotes: Notes = [];

/** Work that is done the first time it is called, and ends the same way each time. */
class Once<T> {
  readonly #work: () => T;
  #ending: { readonly value: T } | { readonly error: unknown } | undefined;

  constructor(work: () => T) {
    this.#work = work;
  }

  readonly run = (): T => {
    this.#ending ??= this.#end();
    if ('error' in this.#ending) throw this.#ending.error;
    return this.#ending.value;
  };

  answered(value: unknown): boolean {
    return this.#ending !== undefined && 'value' in this.#ending && this.#ending.value === value;
  }

  threw(error: unknown): boolean {
    return this.#ending !== undefined && 'error' in this.#ending && this.#ending.error === error;
  }

  #end() {
    try {
      return { value: this.#work() };
    } catch (error) {
      return { error };
    }
  }
}

function guarded<T, About>(warn: Warn, what: string, tell: (about: About) => T, about: About): T | undefined {
  try {
    const answer = tell(about);
    if (answer instanceof Promise) answer.catch((error: unknown) => warn(`"${what}" of the tracer rejected`, error));
    return answer;
  } catch (error) {
    thrown(warn, what, error);
    return undefined;
  }
}

function thrown(warn: Warn, what: string, error: unknown): void {
  warn(`"${what}" of the tracer threw; nothing else is affected`, error);
}
