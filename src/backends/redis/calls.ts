import { setTimeout } from 'node:timers';
import { backoffMs } from '../../core/backoff.js';
import { ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import { Deadlines } from './deadlines.js';
import type { Driver, Reply } from './driver.js';
import { fault, verdictOf } from './errors.js';
import { list, text } from './replies.js';
import type { Script } from './scripts/script.js';

/** Pauses between the tries of one call: a failover takes a second, a slot on its way milliseconds. */
const pauseMsMin = 5;
const pauseMsMax = 250;

/** How many keys the server looks at in one step: a few hundred microseconds of its time. */
const scanCount = 1_000;

type Send = () => Promise<Reply>;

/** Calls to the server, each with a deadline of its own whatever the client library does, and retried within it. */
export class Calls {
  readonly #driver: Driver;
  readonly #deadlines = new Deadlines();
  #closed = false;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  /** @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError, NotSupportedError */
  async eval(script: Script, keys: readonly string[], args: readonly string[], timeoutMs: number): Promise<Reply> {
    const key = keys[0] ?? '';
    const rest = [String(keys.length), ...keys, ...args];
    const known = ['EVALSHA', script.sha, ...rest];
    const first = () => this.#driver.command(key, known);
    // With the text, so that it cannot be forgotten in between.
    const whole = () => this.#driver.command(key, ['EVAL', script.lua, ...rest]);
    return this.#call(`running "${script.name}"`, timeoutMs, first, whole);
  }

  /** All keys of a pattern, in portions; some may come twice. */
  async *scan(pattern: string, timeoutMs: number): AsyncGenerator<readonly string[]> {
    for (const send of this.#driver.owners()) {
      let cursor = '0';
      do {
        const args = ['SCAN', cursor, 'MATCH', pattern, 'COUNT', String(scanCount)];
        const reply = await this.#call('listing keys', timeoutMs, () => send(args));
        const [next, keys] = list(reply);
        cursor = text(next);
        yield list(keys).map(text);
      } while (cursor !== '0');
    }
  }

  close(): void {
    this.#closed = true;
  }

  async #call(doing: string, timeoutMs: number, first: Send, whole: Send = first): Promise<Reply> {
    if (this.#closed) throw new ClosedError('this Redis backend is closed: make a new one');
    const dueMs = performance.now() + timeoutMs;
    let uncertain = false;
    let send = first;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(send, dueMs, doing, timeoutMs);
      } catch (error) {
        const verdict = verdictOf(error);
        if (verdict === 'no-script' && send !== whole) {
          send = whole;
          continue;
        }
        uncertain ||= verdict === 'unknown';
        const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, Math.random());
        const isOver = this.#closed || performance.now() + pauseMs >= dueMs;
        if (verdict === 'permanent' || isOver) throw fault(error, doing, uncertain);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  #once(send: Send, dueMs: number, doing: string, timeoutMs: number): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const cancel = this.#deadlines.set(dueMs, () => {
        const silence = `Redis gave no answer within ${Math.round(timeoutMs)} ms while ${doing}: check that the server is reachable`;
        reject(new OutcomeUnknownError(silence));
      });
      const failed = (error: unknown) => {
        cancel();
        reject(error);
      };
      try {
        send().then((reply) => {
          cancel();
          resolve(reply);
        }, failed);
      } catch (error) {
        // A library that throws instead of rejecting is treated alike.
        failed(error);
      }
    });
  }
}
