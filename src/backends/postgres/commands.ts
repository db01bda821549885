import { setTimeout } from 'node:timers';
import { backoffMs } from '../../core/backoff.js';
import { Calls } from '../../core/calls.js';
import { systemPorts } from '../../core/clock.js';
import { BackendUnavailableError, ClosedError, OutcomeUnknownError } from '../../core/errors.js';
import { type Driver, NotSentError, type Running } from './driver.js';
import { fault, verdictOf, withoutKind } from './errors.js';
import { Installer } from './installer.js';
import { type Installation, installation } from './sql/setup.js';
import { identifier, kindOfTransaction, literal } from './sql/text.js';

/** Pauses between the tries of one call. */
const pauseMsMin = 5;
const pauseMsMax = 250;

/** Share of what is left of a call that the server may spend on waiting for one lock: then it says so itself, and no session stays behind that waits for nobody. */
const lockWaitRatio = 0.6;
const lockWaitMsMin = 5;

/** No try begins with less than this share of a call's time left, unless one before may have taken effect. */
const lastTryRatio = 0.2;

type Value = string | number | boolean | null;

/** An argument that is SQL already. */
export interface Sql {
  readonly sql: string;
}

/** Calls of our functions, each with a deadline of its own whatever the client library does, and retried within it. */
export class Commands {
  readonly #driver: Driver;
  readonly #functions: string;
  readonly #installer: Installer;
  readonly #ports = systemPorts();
  readonly #calls = new Calls(this.#ports);
  #kind = '';
  #closed = false;

  constructor(driver: Driver, schema: string, installed: Installation = installation(schema)) {
    this.#driver = driver;
    this.#functions = `${identifier(schema)}.v${installed.version}_`;
    this.#installer = new Installer(driver, schema, this.#calls, installed);
  }

  /**
   * Calls one of our functions.
   *
   * @throws ClosedError, BackendUnavailableError, OutcomeUnknownError, BackendCorruptError, NotSupportedError
   */
  call(name: string, args: readonly (Value | Sql)[], doing: string, timeoutMs: number): Promise<string | null> {
    const words = args.map((arg) => (typeof arg === 'object' && arg !== null ? arg.sql : literal(arg)));
    return this.#call(`SELECT ${this.#functions}${name}(${words.join(',')}) AS r`, doing, timeoutMs);
  }

  /** A statement of another kind, which may read only. */
  query(text: string, doing: string, timeoutMs: number): Promise<string | null> {
    return this.#call(text, doing, timeoutMs);
  }

  /** Creates what is missing, without being asked by the server. @throws BackendUnavailableError */
  async install(): Promise<void> {
    try {
      await this.#installer.start();
    } catch (error) {
      throw fault(error, 'creating the tables', false);
    }
  }

  close(): void {
    this.#closed = true;
  }

  #call(text: string, doing: string, timeoutMs: number): Promise<string | null> {
    if (this.#closed) return Promise.reject(new ClosedError('this PostgreSQL backend is closed: make a new one'));
    // Of the first try: the deadline is that of all of them.
    const sentAt = this.#ports.now();
    const dueMs = sentAt.monotonicMs + timeoutMs;
    let uncertain = false;
    let tries = 0;
    let installed = false;
    return new Promise((resolve, reject) => {
      const attempt = () => {
        tries += 1;
        let running: Running | undefined;
        let ended = false;
        const kind = this.#kind;
        const send = () => {
          const { pending } = this.#installer;
          const go = () => {
            // Its caller was told that it was not sent.
            if (ended) throw new NotSentError('its time was over');
            running = this.#driver.run(kind + lockTimeout(dueMs - this.#ports.now().monotonicMs) + text);
            return running.answer;
          };
          return pending === undefined ? go() : pending.then(go);
        };
        this.#calls.within(timeoutMs, sentAt, `PostgreSQL: ${doing}`, send, resolve, (said) => {
          ended = true;
          const error = kind === '' ? said : withoutKind(said);
          if (error instanceof OutcomeUnknownError && (running === undefined || running.giveUp()) && !uncertain) {
            return reject(notSent(doing, timeoutMs, error));
          }
          const verdict = verdictOf(error);
          uncertain ||= verdict === 'unknown';
          if (verdict === 'missing' && !installed) {
            installed = true;
            // Its failure is told to whoever waits for it.
            void this.#installer.start();
            return attempt();
          }
          if (verdict === 'wrong-kind' && kind === '') {
            this.#kind = kindOfTransaction;
            return attempt();
          }
          // What another one was about to create at the same moment fails, and passes: only after one that came to its end is a lack final.
          if (verdict !== 'missing') installed = false;
          const pauseMs = backoffMs(tries, pauseMsMin, pauseMsMax, this.#ports.random());
          // A last try for which there is too little time would make an unknown of what is known to have been refused.
          const neededMs = uncertain ? 0 : timeoutMs * lastTryRatio;
          const isOver = this.#closed || this.#ports.now().monotonicMs + pauseMs + neededMs >= dueMs;
          if (verdict === 'permanent' || verdict === 'missing' || isOver) reject(fault(error, doing, uncertain));
          else setTimeout(attempt, pauseMs);
        });
      };
      attempt();
    });
  }
}

/**
 * In front of every statement, in the same message and the same transaction: also what waits for a lock on a table, which may be before
 * a function of ours has begun, ends in time.
 */
function lockTimeout(leftMs: number): string {
  return `SET LOCAL lock_timeout = ${Math.max(lockWaitMsMin, Math.floor(leftMs * lockWaitRatio))}; `;
}

function notSent(doing: string, timeoutMs: number, cause: unknown): BackendUnavailableError {
  return new BackendUnavailableError(
    `PostgreSQL: ${doing} got no connection within ${Math.round(timeoutMs)} ms: check that the server is reachable, and give Holdfast a pool that the application does not use up`,
    { cause },
  );
}
