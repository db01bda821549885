import { type Calls, messageOf } from '../../core/calls.js';
import { BackendUnavailableError, HoldfastError, OutcomeUnknownError } from '../../core/errors.js';
import type { Driver, Running } from './driver.js';
import { sqlStateOf, withoutKind } from './errors.js';
import type { Installation } from './sql/setup.js';
import { kindOfTransaction } from './sql/text.js';

/** How long it may take; calls wait for it only until their own deadlines. */
const timeoutMs = 5_000;
/** Another one that creates them is waited for so long, and no session stays behind that waits for nobody. */
const lockWaitMs = 4_000;

/** Creates the tables and functions where they are missing: once at a time, and the calls that need them wait for it. */
export class Installer {
  readonly #driver: Driver;
  readonly #schema: string;
  readonly #calls: Calls;
  readonly #installation: Installation;
  #pending: Promise<void> | undefined;

  constructor(driver: Driver, schema: string, calls: Calls, installation: Installation) {
    this.#installation = installation;
    this.#driver = driver;
    this.#schema = schema;
    this.#calls = calls;
  }

  /** Under way, and what to wait for. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  start(): Promise<void> {
    if (this.#pending !== undefined) return this.#pending;
    let running: Running | undefined;
    const run = () => {
      running = this.#driver.run(`${kindOfTransaction}SET LOCAL lock_timeout = ${lockWaitMs}; ${this.#installation.statements}`);
      return running.answer;
    };
    this.#pending = this.#calls.promise(timeoutMs, 'creating the tables', run).then(
      () => {
        this.#pending = undefined;
      },
      (error: unknown) => {
        this.#pending = undefined;
        if (error instanceof OutcomeUnknownError) running?.giveUp();
        throw this.#explained(withoutKind(error));
      },
    );
    // Those who wait are told.
    this.#pending.catch(() => {});
    return this.#pending;
  }

  #explained(error: unknown): unknown {
    // Whoever waits for it has sent nothing.
    if (error instanceof OutcomeUnknownError)
      return new BackendUnavailableError(`PostgreSQL: ${error.message}`, { cause: error });
    const state = sqlStateOf(error);
    // Another process was faster, in a server that does not know of our lock any more.
    if (error instanceof HoldfastError || state === undefined || (state !== '42501' && state !== '25006')) return error;
    if (state === '25006') return error;
    const { version, definitions } = this.#installation;
    return new BackendUnavailableError(
      `PostgreSQL: ${messageOf(error)}: Holdfast's tables and functions of version ${version} are not all there, and this role may not create them. ` +
        `Either, as the owner of the database: GRANT CREATE ON DATABASE … TO …; (or, where the schema is there: GRANT CREATE, USAGE ON SCHEMA "${this.#schema}" TO …;), ` +
        (definitions === undefined
          ? `or run as a role that may what this prints: node -e "import('holdfast/postgres').then((h) => console.log(h.setupSql({ schema: '${this.#schema}', role: 'THE_ROLE' })))"`
          : `or run as a role that may what setupSql({ schema: '${this.#schema}', role: 'THE_ROLE', definitions: ${definitions} }) of holdfast/postgres answers`),
      { cause: error, permanent: true },
    );
  }
}
