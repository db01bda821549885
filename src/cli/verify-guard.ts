import { type Verdict, verifyGuard, verifySink } from '../guards/index.js';
import { type OptionSpec, parse } from './args.js';
import { CliError, exit, usage } from './exit.js';
import { jsonLine } from './json.js';
import { print } from './say.js';
import { openSink } from './sinks.js';

const specs = {
  resource: { value: 'NAME' },
  method: { value: 'METHOD' },
  header: { value: 'NAME:VALUE' },
  json: {},
} as const satisfies Record<string, OptionSpec>;

/** One request of the HTTP form may take so long. */
const requestMsMax = 10_000;

/** `holdfast verify-guard URL`: whether a sink refuses a stale fence. */
export async function verifyGuardCommand(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [target, ...excess] = positionals;
  if (target === undefined || target === '')
    throw usage('a sink is missing: holdfast verify-guard postgres://…, or see holdfast verify-guard --help');
  if (excess.length > 0) throw usage(`verify-guard takes one sink, not also "${excess[0]}"`);
  const verdict = /^https?:/i.test(target) ? await overHttp(target, values) : await through(target, values.resource);
  if (switches.has('json')) print(jsonLine(verdict));
  else {
    for (const { what, passed, detail } of verdict.verifications) {
      print(`${passed ? 'ok      ' : 'NOT OK  '}${what}${detail === undefined ? '' : `: ${detail}`}\n`);
    }
  }
  return verdict.safe ? exit.ok : exit.unsafe;
}

async function through(target: string, resource: string | undefined): Promise<Verdict> {
  const { guard, close } = await openSink(target);
  try {
    return await verifyGuard(guard, resource === undefined ? {} : { resource });
  } finally {
    // The verdict is there, or a better error than this one.
    await close().catch(() => undefined);
  }
}

/** `fetch` hides in its cause what has failed. */
function whyOf(error: unknown): string {
  const cause = (error as { cause?: unknown } | undefined)?.cause ?? error;
  return cause instanceof Error ? cause.message : String(cause);
}

/** Requests with the header `Fencing-Token`: 412 is a refusal, and a success is none. */
async function overHttp(
  url: string,
  { method = 'POST', header, resource }: { method?: string; header?: string; resource?: string },
): Promise<Verdict> {
  if (resource !== undefined) throw usage('--resource is not for http: the receiver takes it from the address');
  const colon = header?.indexOf(':') ?? -1;
  if (header !== undefined && colon < 1) throw usage('--header is written like NAME:VALUE');
  const extra: Record<string, string> = header === undefined ? {} : { [header.slice(0, colon)]: header.slice(colon + 1).trim() };
  return verifySink(async (fence) => {
    const headers = { ...extra, 'Fencing-Token': String(fence) };
    const response = await fetch(url, { method, headers, signal: AbortSignal.timeout(requestMsMax) }).catch((cause: unknown) => {
      throw new CliError(
        exit.unavailable,
        `the sink cannot be reached (${whyOf(cause)}): check the address, and that the receiver is up`,
      );
    });
    await response.body?.cancel();
    if (response.ok) return 'accepted';
    if (response.status === 412) return 'refused';
    throw new CliError(
      exit.unavailable,
      `the sink answered ${response.status}, which is neither a success nor 412: give --method, or --header for an authorization`,
    );
  });
}
