import type { Ports, Timer } from '../../core/clock.js';
import type { Endpoint } from './endpoints.js';
import type { GrpcStream } from './grpc.js';
import { leaseKeepAlive } from './methods.js';
import type { Rpc } from './rpc.js';
import type { keepAliveResponse, Out } from './wire/messages.js';

type Reply = Out<typeof keepAliveResponse>;

/** A lease that a member says it has renewed, or does not have (`ttlMs` 0). */
export interface Kept {
  readonly ttlMs: number;
  /** The member's term when it renewed: who else answers in the same term, later, has the same leader. */
  readonly term: number;
}

interface Batch {
  readonly missing: Set<number>;
  readonly kept: Map<number, Kept>;
  readonly done: () => void;
}

/** How long the stream stays open without anything under way: it keeps the process alive. */
const lingerMs = 500;

/**
 * All renewals of leases, on one stream. It may be dead without saying so: each batch has a deadline of its own, and after
 * one that was missed the next batch opens a stream on the next member.
 */
export class KeepAlives {
  readonly #rpc: Rpc;
  readonly #ports: Ports;
  #line: Line | undefined;
  #opening: Promise<Line> | undefined;
  #linger: Timer | undefined;

  constructor(rpc: Rpc) {
    this.#rpc = rpc;
    this.#ports = rpc.ports;
  }

  /** What became known within the time. A lease that is missing in the answer may have been renewed or not. */
  async renew(ids: Iterable<number>, timeoutMs: number): Promise<ReadonlyMap<number, Kept>> {
    const kept = new Map<number, Kept>();
    const missing = new Set(ids);
    if (missing.size === 0) return kept;
    let line: Line | undefined;
    try {
      await this.#rpc.within(timeoutMs, `etcd: ${leaseKeepAlive.doing}`, async () => {
        line = await this.#open(timeoutMs);
        await line.send(missing, kept);
      });
    } catch {
      if (line !== undefined) this.#drop(line);
    }
    this.#rest();
    return kept;
  }

  close(): void {
    this.#linger?.cancel();
    this.#line?.end();
    this.#line = undefined;
  }

  async #open(timeoutMs: number): Promise<Line> {
    this.#linger?.cancel();
    if (this.#line !== undefined && !this.#line.over) return this.#line;
    this.#opening ??= this.#rpc
      .stream(leaseKeepAlive, timeoutMs)
      .then(({ stream, endpoint }) => {
        const line = new Line(stream, endpoint);
        this.#line = line;
        if (this.#rpc.closed) line.end();
        return line;
      })
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  #drop(line: Line): void {
    line.end();
    this.#rpc.endpoints.failed(line.endpoint);
    if (this.#line === line) this.#line = undefined;
  }

  #rest(): void {
    const line = this.#line;
    if (line === undefined || line.busy) return;
    this.#linger?.cancel();
    this.#linger = this.#ports.timer(
      lingerMs,
      () => {
        if (line.busy) return;
        line.end();
        if (this.#line === line) this.#line = undefined;
      },
      true,
    );
  }
}

/** One stream, and who waits for its answers. */
class Line {
  readonly endpoint: Endpoint;
  over = false;
  readonly #stream: GrpcStream;
  /** By lease: members answer in order. */
  readonly #waiting = new Map<number, Batch[]>();
  readonly #batches = new Set<{ readonly failed: (error: Error) => void }>();

  constructor(stream: GrpcStream, endpoint: Endpoint) {
    this.endpoint = endpoint;
    this.#stream = stream;
    stream.on('data', (reply: Reply) => this.#answered(reply));
    stream.on('error', (error: Error) => this.#fail(error));
    stream.on('end', () => this.#fail(new Error('the member ended the stream')));
  }

  get busy(): boolean {
    return this.#batches.size > 0;
  }

  /** Resolves when all are answered. @throws what ended the stream */
  send(missing: Set<number>, kept: Map<number, Kept>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.over) return reject(new Error('the stream is over'));
      const entry = { failed: reject };
      const done = () => {
        this.#batches.delete(entry);
        resolve();
      };
      this.#batches.add(entry);
      const batch = { missing, kept, done };
      for (const id of missing) {
        const line = this.#waiting.get(id);
        if (line === undefined) this.#waiting.set(id, [batch]);
        else line.push(batch);
        this.#stream.write({ id });
      }
    });
  }

  end(): void {
    if (this.over) return;
    this.#fail(new Error('the stream was given up'));
    this.#stream.cancel();
  }

  #answered({ id, ttl, header }: Reply): void {
    const line = this.#waiting.get(id);
    const batch = line?.shift();
    if (line?.length === 0) this.#waiting.delete(id);
    if (batch === undefined) return;
    batch.missing.delete(id);
    batch.kept.set(id, { ttlMs: Math.max(0, ttl) * 1_000, term: header?.raftTerm ?? 0 });
    if (batch.missing.size === 0) batch.done();
  }

  #fail(error: Error): void {
    this.over = true;
    this.#waiting.clear();
    for (const { failed } of [...this.#batches]) failed(error);
    this.#batches.clear();
  }
}
