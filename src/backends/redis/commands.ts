import { randomBytes } from 'node:crypto';
import { setTimeout } from 'node:timers';
import { backoffMs } from '../../core/backoff.js';
import { Calls } from '../../core/calls.js';
import { type Ports, systemPorts } from '../../core/clock.js';
import { ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import { type Driver, NotConnectedError, type Reply, type Send } from './driver.js';
import { fault, isFull, verdictOf } from './errors.js';
import { siblingOf } from './keys.js';
import { list, text } from './replies.js';
import type { Script } from './scripts/script.js';

/** Pauses between the tries of one call: a failover takes a second, a slot on its way milliseconds. */
const pauseMsMin = 5;
const pauseMsMax = 250;

/** How many keys the server looks at in one step: a few hundred microseconds of its time. */
const scanCount = 1_000;

/** Calls to the server, each with a deadline of its own whatever the client library does, and retried within it. */
export class Commands {
  readonly #driver: Driver;
  readonly #ports: Ports;
  readonly #calls: Calls;
  readonly #waitsForRoom: boolean;
  #closed = false;

  /**
   * @param ports shared where a process speaks to several servers at once: then a moment is read once
   * @param waitsForRoom whether a server without memory is asked again, like one that is not there
   */
  constructor(driver: Driver, ports = systemPorts(), { waitsForRoom = true } = {}) {
    this.#driver = driver;
    this.#ports = ports;
    this.#calls = new Calls(ports);
    this.#waitsForRoom = waitsForRoom;
  }

  /** Whether a script may have the locks of several names at once. In a Cluster hardly two of them share a slot. */
  get manyKeys(): boolean {
    return !this.#driver.cluster;
  }

  /**
   * @param send by default on the client that all share
   * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError, NotSupportedError
   */
  eval(script: Script, locks: readonly string[], args: readonly string[], timeoutMs: number, send?: Send): Promise<Reply> {
    return this.ask(script, locks, args, timeoutMs, asItIs, send);
  }

  /** The same, with the reply read. @throws also what `read` throws */
  ask<T>(
    script: Script,
    locks: readonly string[],
    args: readonly string[],
    timeoutMs: number,
    read: (reply: Reply) => T,
    send?: Send,
  ): Promise<T> {
    const key = locks[0] ?? '';
    const via: Send = send ?? ((words) => this.#driver.command(key, words));
    const keys = this.#driver.cluster ? [key, ...script.siblings.map((name) => siblingOf(key, name))] : locks;
    const rest = [String(keys.length), ...keys, ...args];
    const known = ['evalsha', script.sha, ...rest];
    const first = () => via(known);
    // With the text, so that it cannot be forgotten in between.
    const whole = () => via(['EVAL', script.lua, ...rest]);
    return this.#call(script.doing, timeoutMs, read, first, whole);
  }

  /** All keys of a pattern, in portions; some may come twice. */
  async *scan(pattern: string, timeoutMs: number): AsyncGenerator<readonly string[]> {
    for (const send of await this.#call('listing keys', timeoutMs, asItIs<readonly Send[]>, async () => this.#driver.owners())) {
      let cursor = '0';
      do {
        const args = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(scanCount)];
        const reply = await this.#call('listing keys', timeoutMs, asItIs<Reply>, () => send(args));
        const [next, keys] = list(reply);
        cursor = text(next);
        yield list(keys).map(text);
      } while (cursor !== '0');
    }
  }

  close(): void {
    this.#closed = true;
  }

  /** Called back instead of awaited: promises would be most of what a call costs here. */
  #call<R, T>(doing: string, timeoutMs: number, read: (reply: R) => T, first: () => Promise<R>, whole = first): Promise<T> {
    if (this.#closed) return Promise.reject(new ClosedError('this Redis backend is closed: make a new one'));
    // Of the first try: the deadline is that of all of them.
    const sentAt = this.#ports.now();
    const dueMs = sentAt.monotonicMs + timeoutMs;
    let uncertain = false;
    let send = first;
    let tries = 0;
    return new Promise((resolve, reject) => {
      const answered = (reply: R) => {
        try {
          resolve(read(reply));
        } catch (error) {
          reject(error);
        }
      };
      const attempt = () => {
        tries += 1;
        const wasResent = this.#driver.resends?.();
        this.#calls.within(timeoutMs, sentAt, `Redis: ${doing}`, send, answered, (error) => {
          const verdict = verdictOf(error);
          // A library that sends again by itself tells how the last copy fared; an earlier one may have been done.
          const resent = !(error instanceof NotConnectedError) && wasResent?.() === true;
          uncertain ||= verdict === 'unknown' || resent;
          if (verdict === 'no-script' && send !== whole) {
            send = whole;
            return attempt();
          }
          if (error instanceof OutcomeUnknownError) this.#driver.suspect?.();
          const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, this.#ports.random());
          const isOver = this.#closed || this.#ports.now().monotonicMs + pauseMs >= dueMs;
          const isInVain = verdict === 'permanent' || (!this.#waitsForRoom && isFull(error));
          if (isInVain || isOver) reject(fault(error, doing, uncertain));
          else setTimeout(attempt, pauseMs);
        });
      };
      attempt();
    });
  }
}

function asItIs<T>(reply: T): T {
  return reply;
}

/** For a script that must know copies of one call. In hexadecimal: some look for it with patterns, in which other characters have a meaning. */
export function callId(): string {
  return randomBytes(12).toString('hex');
}
