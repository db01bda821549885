import type { Outbox, OutboxLetter, OutboxStatus } from '../outbox/outbox.js';
import { type OptionSpec, parse } from './args.js';
import { roughDuration } from './duration.js';
import { CliError, exit, usage } from './exit.js';
import { jsonLine } from './json.js';
import { print } from './say.js';
import { plainTable } from './table.js';

const specs = { json: {}, all: {} } as const satisfies Record<string, OptionSpec>;
const form = 'holdfast outbox [retry|discard] postgres://user:password@host:5432/database';

interface Asked {
  readonly action: string;
  readonly url: string;
  readonly ids: readonly string[];
  readonly json: boolean;
  readonly all: boolean;
}

const actions: Readonly<Record<string, (outbox: Outbox, asked: Asked) => Promise<string>>> = { status, retry, discard };

/** `holdfast outbox URL`: lag and dead letters; `retry` and `discard` of these. */
export async function outbox(argv: readonly string[]): Promise<number> {
  const asked = read(argv);
  const [{ postgresDatabaseFromUrl }, { outbox: open }] = await Promise.all([
    import('../backends/postgres/index.js'),
    import('../outbox/outbox.js'),
  ]);
  const database = await postgresDatabaseFromUrl(asked.url);
  try {
    const found = open(database);
    if (!(await found.installed())) {
      throw new CliError(
        exit.unavailable,
        `there is no outbox in the schema "${database.schema}": nothing was written to one yet, or it is elsewhere (?schema=…)`,
      );
    }
    print((await actions[asked.action]?.(found, asked)) ?? '');
  } finally {
    // The answer is there, or a better error than this one.
    await database.close().catch(() => undefined);
  }
  return exit.ok;
}

/** @throws CliError */
function read(argv: readonly string[]): Asked {
  const { switches, positionals } = parse(argv, specs);
  const [first = ''] = positionals;
  const action = Object.hasOwn(actions, first) ? first : 'status';
  const [url, ...ids] = positionals.slice(action === first ? 1 : 0);
  const all = switches.has('all');
  if (url === undefined) throw usage(`a URL is missing: ${form}`);
  // Nothing of it is repeated: it may hold a password.
  if (!/^postgres(?:ql)?:/i.test(url)) throw usage(`that is no action, and no PostgreSQL URL: ${form}`);
  if (action === 'status' && ids.length + Number(all) > 0)
    throw usage('without "retry" or "discard" in front, only a URL is taken');
  if (action === 'discard' && (ids.length !== 1 || all)) throw usage('discard takes one id: an event that is gone is gone');
  if (action === 'retry' && ids.length > 0 === all) throw usage('retry takes the ids of dead letters, or --all');
  return { action, url, ids, json: switches.has('json'), all };
}

async function status(found: Outbox, { json }: Asked): Promise<string> {
  const said = await found.status();
  if (json)
    return jsonLine({
      at: new Date().toISOString(),
      ...said,
      oldestMs: said.oldestMs ?? null,
      lagMs: said.lagMs ?? null,
      letters: said.letters.map(letterJson),
    });
  const letters = said.letters.length === 0 ? '' : `\n${await plainTable(heading, said.letters.map(row), paint)}`;
  return `${summary(said)}${letters}`;
}

function summary({ waiting, blocked, lagMs, oldestMs, retrying, dead, relays, unclaimed }: OutboxStatus): string {
  const age = (ms: number | undefined) => (ms === undefined ? '–' : roughDuration(ms));
  return `lag ${age(lagMs)}, ${waiting} events wait (${blocked} behind another of their key), the oldest for ${age(oldestMs)}
${dead} dead, ${retrying} tried again; ${relays} relays, ${unclaimed} of 16 parts without one
`;
}

async function retry(found: Outbox, { ids, all, json }: Asked): Promise<string> {
  const retried = await found.retry(all ? undefined : ids);
  if (json) return jsonLine({ retried });
  if (retried.length === 0) return 'none of these is a dead letter: nothing is tried again\n';
  return `${retried.length === 1 ? 'one dead letter is' : `${retried.length} dead letters are`} tried again\n`;
}

async function discard(found: Outbox, { ids: [id = ''] }: Asked): Promise<string> {
  const gone = await found.discard(id);
  if (gone === undefined)
    throw new CliError(exit.usage, `${id} is no dead letter: nothing was discarded; see "holdfast outbox URL"`);
  return jsonLine({ ...gone, key: gone.key ?? null, sequence: gone.sequence?.toString() ?? null });
}

function letterJson(letter: OutboxLetter) {
  return { ...letter, key: letter.key ?? null, sequence: letter.sequence?.toString() ?? null, dueInMs: letter.dueInMs ?? null };
}

const heading = ['ID', 'KEY', 'TYPE', 'STATE', 'TRIES', 'AGE', 'BLOCKS', 'ERROR'];

function row({ id, key, type, dead, dueInMs, attempts, ageMs, blocks, error }: OutboxLetter): string[] {
  const state = dead ? 'dead' : `in ${roughDuration(dueInMs ?? 0)}`;
  return [id, key ?? '–', type, state, String(attempts), roughDuration(ageMs), String(blocks), error];
}

const paint: Parameters<typeof plainTable>[2] = (cells, _, colours) => {
  if (cells[3] === 'dead') cells[3] = colours.red('dead');
};
