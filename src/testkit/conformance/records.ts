import type { Records } from '../../core/records.js';
import type { Runner } from './fixture.js';
import { within } from './helpers.js';
import { type RecordScene, recordDefinitions } from './record-cases.js';

/** What the suite needs to know about a store of records under test. */
export interface RecordsFixture {
  /** For the report: `redis`. */
  readonly name: string;
  /** Another client of the same store, as another process would have it. The suite closes it. */
  open(): ClosableRecords | Promise<ClosableRecords>;
  /** Whether it has `list`, which a store may do without. Default: true. */
  readonly lists?: boolean;
  /** Runs after the last case: stop servers, delete files. Needs `after` in the runner. */
  close?(): void | Promise<void>;
}

export type ClosableRecords = Records & { close(): Promise<void> };

const timeoutMs = 30_000;

/**
 * What every store of records must do, as tests: the port of `core/records.ts`. Cases choose keys of their own, so they run
 * on a store that is in use.
 *
 * @throws TypeError if the fixture must be closed and the runner cannot
 */
export function runRecordsConformance(runner: Runner, fixture: RecordsFixture): void {
  if (fixture.close !== undefined && runner.after === undefined) {
    throw new TypeError('the fixture has close(), so the runner needs after: pass afterAll (vitest) or after (node:test, mocha)');
  }
  const together = runner.concurrently ?? runner.describe;
  runner.describe(`conformance of the records of ${fixture.name}`, () => {
    if (fixture.close !== undefined) runner.after?.(() => fixture.close?.());
    together('together', () => {
      for (const [id, run] of Object.entries(recordDefinitions)) {
        const skip = fixture.lists === false && id.startsWith('lists-');
        runner.it(`records/${id}`, { timeout: 2 * timeoutMs, skip }, () => runCase(id, run, fixture));
      }
    });
  });
}

async function runCase(id: string, run: (scene: RecordScene) => Promise<void>, fixture: RecordsFixture): Promise<void> {
  const opened: ClosableRecords[] = [];
  const open = async () => {
    const records = await fixture.open();
    opened.push(records);
    return records;
  };
  try {
    await within(run({ records: await open(), open }), timeoutMs, `records/${id}`);
  } finally {
    for (const records of opened) await records.close();
  }
}
