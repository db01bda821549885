import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { NotConnectedError, type OwnConnection, type OwnConnections, type Reply } from './driver.js';
import { number } from './replies.js';

/** Share of a call's time that its replicas may take: the rest is for the script before, and for what undoes it. */
const waitRatio = 0.5;

/** How much later than the server says so itself `WAIT` counts as unanswered. */
const graceMs = 250;

interface Entry {
  readonly args: readonly string[];
  readonly dueMs: number;
  readonly waitMs: number;
  readonly matters: (reply: Reply) => boolean;
  readonly resolve: (answer: readonly [reply: Reply, replicas: number]) => void;
  readonly reject: (error: unknown) => void;
}

/** A reply that replicas are to have, and whose it is. */
type Written = readonly [entry: Entry, reply: Reply];

/**
 * Commands with `WAIT` behind them, on connections of their own: it counts the writes of the connection that it comes on,
 * and holds up whatever follows there. Commands that come meanwhile go out together when it has answered, with
 * one `WAIT` for all of them.
 */
export class Lanes {
  readonly #connections: OwnConnections;
  readonly #replicas: number;
  readonly #ports = systemPorts();
  readonly #calls = new Calls(this.#ports);
  readonly #waiting = new Map<OwnConnection, Entry[]>();

  constructor(connections: OwnConnections, replicas: number) {
    this.#connections = connections;
    this.#replicas = replicas;
  }

  /**
   * Answers `[reply, number of replicas that have it]`.
   *
   * @param matters whether replicas must have what made this reply; else they are not waited for
   */
  command(key: string, args: readonly string[], timeoutMs: number, matters: Entry['matters']): Promise<Reply> {
    const dueMs = this.#ports.now().monotonicMs + timeoutMs;
    const waitMs = Math.max(1, Math.floor(timeoutMs * waitRatio));
    return new Promise((resolve, reject) => {
      const connection = this.#connections.to(key);
      const entry = { args, dueMs, waitMs, matters, resolve, reject };
      const waiting = this.#waiting.get(connection);
      if (waiting !== undefined) waiting.push(entry);
      else void this.#drive(connection, [entry]);
    });
  }

  close(): void {
    this.#connections.close();
  }

  async #drive(connection: OwnConnection, first: Entry[]): Promise<void> {
    for (let group = first; group.length > 0; group = this.#waiting.get(connection) ?? []) {
      this.#waiting.set(connection, []);
      const nowMs = this.#ports.now().monotonicMs;
      // Nobody waits for the others any more.
      await this.#together(
        connection,
        group.filter(({ dueMs }) => dueMs > nowMs),
      );
    }
    this.#waiting.delete(connection);
  }

  async #together(connection: OwnConnection, group: readonly Entry[]): Promise<void> {
    const { epoch } = connection;
    const written = (await Promise.all(group.map((entry) => this.#send(connection, entry)))).filter((one) => one !== undefined);
    if (written.length === 0) return;
    try {
      const count = await this.#wait(connection, epoch, Math.min(...written.map(([{ waitMs }]) => waitMs)));
      for (const [entry, reply] of written) entry.resolve([reply, count]);
    } catch (error) {
      for (const [entry] of written) entry.reject(error);
    }
  }

  async #send(connection: OwnConnection, entry: Entry): Promise<Written | undefined> {
    const leftMs = entry.dueMs - this.#ports.now().monotonicMs;
    try {
      const reply = await this.#calls.promise(leftMs, 'Redis: asking for a lock', () => connection.send(entry.args));
      if (entry.matters(reply)) return [entry, reply];
      entry.resolve([reply, 0]);
    } catch (error) {
      entry.reject(error);
    }
    return undefined;
  }

  async #wait(connection: OwnConnection, epoch: number, waitMs: number): Promise<number> {
    // On another connection nothing was written, and all replicas would be said to have it.
    if (connection.epoch !== epoch) throw new Error('the connection was lost');
    const wait = () => connection.send(['WAIT', String(this.#replicas), String(waitMs)]);
    try {
      return number(await this.#calls.promise(waitMs + graceMs, 'Redis: waiting for replicas', wait));
    } catch (error) {
      // What it waits for was written all the same.
      if (error instanceof NotConnectedError) throw new Error('the connection was lost', { cause: error });
      throw error;
    }
  }
}
