import { messageOf } from '../../core/calls.js';
import { BackendUnavailableError, HoldfastError } from '../../core/errors.js';
import type { Driver } from './driver.js';
import { sqlStateOf } from './errors.js';
import { installation } from './sql/setup.js';

/** Creates the tables and functions where they are missing: once at a time, and the calls that need them wait for it. */
export class Installer {
  readonly #driver: Driver;
  readonly #schema: string;
  #pending: Promise<void> | undefined;

  constructor(driver: Driver, schema: string) {
    this.#driver = driver;
    this.#schema = schema;
  }

  /** Under way, and what to wait for. */
  get pending(): Promise<void> | undefined {
    return this.#pending;
  }

  start(): void {
    if (this.#pending !== undefined) return;
    const { answer } = this.#driver.run(installation(this.#schema));
    this.#pending = answer.then(
      () => {
        this.#pending = undefined;
      },
      (error: unknown) => {
        this.#pending = undefined;
        throw this.#explained(error);
      },
    );
    // Those who wait are told.
    this.#pending.catch(() => {});
  }

  #explained(error: unknown): unknown {
    const state = sqlStateOf(error);
    // Another process was faster, in a server that does not know of our lock any more.
    if (error instanceof HoldfastError || state === undefined || (state !== '42501' && state !== '25006')) return error;
    if (state === '25006') return error;
    return new BackendUnavailableError(
      `PostgreSQL: ${messageOf(error)}: Holdfast's tables are not there, and this role may not create them. ` +
        `Either, as the owner of the database: GRANT CREATE ON DATABASE … TO …; (or, where the schema is there: GRANT CREATE, USAGE ON SCHEMA "${this.#schema}" TO …;), ` +
        `or run as a role that may what this prints: node -e "import('holdfast/postgres').then((h) => console.log(h.setupSql({ schema: '${this.#schema}', role: 'THE_ROLE' })))"`,
      { cause: error, permanent: true },
    );
  }
}
