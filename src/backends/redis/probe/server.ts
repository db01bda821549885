import { setTimeout } from 'node:timers';
import { backoffMs } from '../../../core/backoff.js';
import { Calls, messageOf } from '../../../core/calls.js';
import { systemPorts } from '../../../core/clock.js';
import { HoldfastError } from '../../../core/errors.js';
import type { Reply } from '../driver.js';
import { fault, verdictOf } from '../errors.js';

export type Send = (args: readonly string[]) => Promise<Reply>;

/** What is said to commands that the user may not run, or that a hosting provider has taken out. */
const denial = /^(?:NOPERM|ERR unknown command)/i;

/** A state that is not waited for: it is what other findings are about. */
const unready = /^(?:READONLY|OOM|MISCONF|NOREPLICAS|MASTERDOWN|CLUSTERDOWN|MOVED)\b/;

const pauseMsMin = 10;
const pauseMsMax = 250;

/** One server, asked politely: what it does not permit is noted instead of thrown. */
export class Server {
  /** Commands that were not permitted, as an ACL names them (`config|get`), and what was said. */
  readonly denied = new Map<string, string>();
  readonly #send: Send;
  readonly #calls = new Calls(systemPorts());
  readonly #timeoutMs: number;

  constructor(send: Send, timeoutMs: number) {
    this.#send = send;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Undefined if it is not permitted. Tried again within the deadline while the server is not ready.
   *
   * @throws BackendUnavailableError, OutcomeUnknownError
   */
  async ask(...args: readonly [string, ...string[]]): Promise<Reply | undefined> {
    const dueMs = performance.now() + this.#timeoutMs;
    const doing = `asking ${args[0]}`;
    for (let tries = 1; ; tries++) {
      try {
        const leftMs = Math.max(1, dueMs - performance.now());
        return await this.#calls.promise(leftMs, doing, () => this.#send(args));
      } catch (error) {
        if (denial.test(messageOf(error))) {
          this.denied.set(aclNameOf(args), messageOf(error));
          return undefined;
        }
        const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, Math.random());
        const isOver = error instanceof HoldfastError || performance.now() + pauseMs >= dueMs;
        if (isOver || unready.test(messageOf(error)) || verdictOf(error) !== 'refused') throw fault(error, doing, false);
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }
}

/** Commands whose second word belongs to their name. */
const families: ReadonlySet<string> = new Set(['ACL', 'CLUSTER', 'CONFIG', 'PUBSUB']);

function aclNameOf([command = '', second = '']: readonly string[]): string {
  return (families.has(command) ? `${command}|${second}` : command).toLowerCase();
}

/** Whether the server takes no writes now, or is not the one to ask: other findings are about that. */
export function isUnready(error: unknown): boolean {
  return unready.test(messageOf(error instanceof HoldfastError ? error.cause : error));
}
