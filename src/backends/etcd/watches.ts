import type { Timer } from '../../core/clock.js';
import type { GrpcStream } from './grpc.js';
import { watch } from './methods.js';
import type { Rpc } from './rpc.js';
import { noPuts, type Out, type watchResponse } from './wire/messages.js';

type Reply = Out<typeof watchResponse>;

/** What is waited for: that a key, or one of a range, is deleted. */
export interface Target {
  readonly key: string;
  readonly rangeEnd?: string;
}

/** How long the stream stays open without anybody who listens: it keeps the process alive. */
const lingerMs = 500;
const openTimeoutMs = 2_000;
/** A stream that is younger when it refuses a watch is not opened anew: whoever waits has its poll, and nothing spins. */
const renewedAfterMs = 1_000;

/**
 * Watches for deletions, on one stream. Each fires once: when something was deleted, and also when it cannot be known any more
 * (the stream broke, the revision was compacted). Who is woken asks again, and watches from what it is told then.
 */
export class Watches {
  readonly #rpc: Rpc;
  readonly #fires = new Map<number, () => void>();
  #stream: GrpcStream | undefined;
  #openedAtMs = 0;
  #isOpening = false;
  #backlog: (() => void)[] = [];
  #lastId = 0;
  #linger: Timer | undefined;

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
  }

  /** @param fromRevision the first one that is not known yet */
  add({ key, rangeEnd }: Target, fromRevision: number, fired: () => void): () => void {
    this.#lastId += 1;
    const watchId = this.#lastId;
    this.#fires.set(watchId, fired);
    this.#linger?.cancel();
    this.#write(() => {
      if (!this.#fires.has(watchId)) return;
      const range = rangeEnd === undefined ? {} : { rangeEnd };
      this.#stream?.write({ create: { watchId, key, ...range, startRevision: fromRevision, filters: [noPuts] } });
    });
    return () => {
      if (!this.#fires.delete(watchId)) return;
      this.#cancel(watchId);
      this.#rest();
    };
  }

  /** Something was found that should have been heard: the stream may be dead in silence. */
  suspect(): void {
    this.#fail(this.#stream);
  }

  close(): void {
    this.#fires.clear();
    this.#backlog = [];
    this.#linger?.cancel();
    this.#stream?.cancel();
    this.#stream = undefined;
  }

  /** Now, or when there is a stream. */
  #write(action: () => void): void {
    if (this.#stream !== undefined) return action();
    this.#backlog.push(action);
    if (this.#isOpening) return;
    this.#isOpening = true;
    void this.#open().finally(() => {
      this.#isOpening = false;
    });
  }

  async #open(): Promise<void> {
    try {
      const { stream } = await this.#rpc.stream(watch, openTimeoutMs);
      this.#stream = stream;
      this.#openedAtMs = this.#rpc.ports.now().monotonicMs;
      stream.on('data', (reply: Reply) => this.#heard(reply, stream));
      stream.on('error', () => this.#fail(stream));
      stream.on('end', () => this.#fail(stream));
      for (const action of this.#backlog.splice(0)) action();
      if (this.#rpc.closed) this.close();
    } catch {
      // Whoever waits has its poll.
      this.#backlog = [];
    }
  }

  #heard({ watchId, canceled, compactRevision, events }: Reply, stream: GrpcStream): void {
    if (stream !== this.#stream || (!canceled && events.length === 0)) return;
    const fired = this.#fires.get(watchId);
    // Some members say which one they refuse, others -1. What was given up here is confirmed the same way, and is no refusal.
    if (canceled && compactRevision === 0 && (fired !== undefined || watchId < 0)) return this.#refused(stream);
    if (fired === undefined) return;
    this.#fires.delete(watchId);
    if (!canceled) this.#cancel(watchId);
    this.#rest();
    fired();
  }

  /** A stream keeps the token that it was opened with: when that is over, it takes no more watches. */
  #refused(stream: GrpcStream): void {
    if (this.#rpc.ports.now().monotonicMs - this.#openedAtMs >= renewedAfterMs) this.#fail(stream);
  }

  #cancel(watchId: number): void {
    this.#stream?.write({ cancel: { watchId } });
  }

  #fail(stream: GrpcStream | undefined): void {
    if (stream === undefined || stream !== this.#stream) return;
    this.#stream = undefined;
    stream.cancel();
    const fires = [...this.#fires.values()];
    this.#fires.clear();
    for (const fired of fires) fired();
  }

  #rest(): void {
    if (this.#fires.size > 0) return;
    this.#linger?.cancel();
    this.#linger = this.#rpc.ports.timer(
      lingerMs,
      () => {
        if (this.#fires.size > 0) return;
        const stream = this.#stream;
        this.#stream = undefined;
        stream?.cancel();
      },
      true,
    );
  }
}
