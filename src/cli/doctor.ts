import type { Backend, Finding } from '../core/backend.js';
import { asHoldfastError } from '../core/calls.js';
import { limits } from '../core/limits.js';
import { Commands, isWell, judge, observe, type Post, postAt, type Question, scan } from '../doctor/index.js';
import { type OptionSpec, parse } from './args.js';
import { backendWords } from './backend-words.js';
import { backendUrl, openBackend } from './backends.js';
import { findingsText, verdictsText } from './doctor-text.js';
import { parseDuration } from './duration.js';
import { exit, usage } from './exit.js';
import { jsonLine, lockJson } from './json.js';
import { cliName } from './name.js';
import { hint, isTerminal, print } from './say.js';
import { scanJson, scanText } from './scan-text.js';
import { openSink } from './sinks.js';

const specs = {
  backend: { value: 'URL' },
  json: {},
  scan: {},
  'expected-hold': { value: '30s' },
  sink: { value: 'URL' },
  resource: { value: 'NAME' },
  operation: { value: 'NAME' },
  namespace: { value: 'NAME' },
  tenant: { value: 'NAME' },
} as const satisfies Record<string, OptionSpec>;

type Values = { readonly [K in keyof typeof specs]?: string };

/** `holdfast doctor [NAME]`: what is the matter with the store, or with one name, and what to do about it. */
export async function doctor(argv: readonly string[]): Promise<number> {
  const { values, switches, positionals } = parse(argv, specs);
  const [given, ...excess] = positionals;
  if (excess.length > 0) throw usage(`doctor takes one name, not also "${excess[0]}": quote it if it has spaces`);
  const json = switches.has('json');
  if (switches.has('scan')) return scanCommand(given ?? '', values, json);
  if (given === undefined) return at(values, (post) => ofStore(post.backend, post, json));
  const question = parseQuestion(cliName(given, 'doctor NAME'), values);
  const commands = new Commands(backendWords(values.backend));
  if (values.sink === undefined) return at(values, (post) => ofName(post, question, commands, json));
  const { guard, close } = await openSink(values.sink);
  try {
    const asked = { ...question, sink: { guard, resource: values.resource } };
    return await at(values, (post) => ofName(post, asked, commands, json));
  } finally {
    // The verdict is there, or a better error than this one.
    await close().catch(() => undefined);
  }
}

function parseQuestion(name: string, { operation, namespace, tenant, resource, sink, ...values }: Values): Question {
  if (resource !== undefined && sink === undefined) throw usage('--resource is that of a sink: give --sink URL, too');
  if (operation === undefined && (namespace ?? tenant) !== undefined)
    throw usage('--namespace and --tenant name a request: give its --operation, too');
  const expected = values['expected-hold'];
  const range = { minMs: 1, maxMs: limits.durationMsMax };
  return {
    name,
    ...(expected === undefined ? {} : { expectedHoldMs: parseDuration('--expected-hold', expected, range) }),
    ...(operation === undefined ? {} : { request: { operation, namespace, tenant } }),
  };
}

async function scanCommand(prefix: string, values: Values, json: boolean): Promise<number> {
  for (const option of ['sink', 'resource', 'operation', 'namespace', 'tenant'] as const)
    if (values[option] !== undefined) throw usage(`--${option} is for one name: leave out --scan`);
  const { expectedHoldMs } = parseQuestion(prefix, values);
  const progress = isTerminal(2) && !json ? { progress: scanProgress } : {};
  return at(values, async (post) => {
    const result = await scan(post, new Commands(backendWords(values.backend)), { prefix, expectedHoldMs, ...progress });
    if (isTerminal(2) && !json) hint(clearLine);
    print(json ? jsonLine(scanJson(result)) : scanText(result));
    return result.found.length === 0 ? exit.ok : exit.unsafe;
  });
}

const clearLine = '\r\x1b[K';

function scanProgress(walk: 1 | 2, records: number): void {
  hint(`${clearLine}look ${walk} of 2: ${records} holders and waiters`);
}

async function at(values: Values, work: (post: Post) => Promise<number>): Promise<number> {
  const backend = await openBackend(backendUrl(values.backend));
  const post = postAt(backend);
  try {
    return await work(post);
  } finally {
    post.calls.close();
    await backend.close().catch(() => undefined);
  }
}

async function ofName(post: Post, question: Question, commands: Commands, json: boolean): Promise<number> {
  const facts = await observe(post, question);
  const verdicts = judge(facts, commands);
  const now = facts.looks.at(-1) ?? facts.looks[0];
  if (json) {
    const { name } = question;
    print(jsonLine({ name, verdicts, held: now.held.map(lockJson), waiting: now.waiting.map(lockJson) }));
  } else print(verdictsText(question.name, verdicts));
  return verdicts.every(isWell) ? exit.ok : exit.unsafe;
}

/** Longest look at a store: some ask each node several questions. */
const probeMsMax = 60_000;

async function ofStore(backend: Backend, { calls }: Post, json: boolean): Promise<number> {
  let findings: readonly Finding[];
  try {
    findings = await calls.promise(probeMsMax, 'examining the store', () => backend.probe());
  } catch (error) {
    throw asHoldfastError(error, 'examining the store');
  }
  print(json ? jsonLine({ findings }) : findingsText(findings));
  return findings.every(({ severity }) => severity === 'info') ? exit.ok : exit.unsafe;
}
