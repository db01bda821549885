import { setTimeout as sleep } from 'node:timers/promises';
import { asHoldfastError } from '../core/calls.js';
import type { Examination } from '../core/examination.js';
import type { Guard } from '../core/guard.js';
import { limits } from '../core/limits.js';
import { parseName } from '../core/name.js';
import { inspect } from '../core/questions.js';
import { type Facts, holdKey, type Look } from './facts.js';
import { frozenRecords, type RequestWanted } from './frozen.js';
import { nextLookInMs } from './patience.js';
import type { Post } from './post.js';
import { sightOf } from './processes.js';

export interface Question {
  readonly name: string;
  readonly expectedHoldMs?: number | undefined;
  /** A sink whose mark is compared with the fences, and the resource there; by default the name itself. */
  readonly sink?: { readonly guard: Guard<unknown>; readonly resource?: string | undefined } | undefined;
  /** Narrows the search for frozen records. */
  readonly request?: RequestWanted | undefined;
  /** How long the looks at a holder may be apart in all. Default: 10,000. */
  readonly patienceMs?: number | undefined;
}

const patienceMsDefault = 10_000;
/** Hand-overs that never end must not keep a person waiting. */
const looksMax = 8;
const nothing: Examination = { foreign: [], pauses: [], rivals: [] };

/**
 * Looks at a name until its holders are known to be renewed, or known not to be.
 *
 * @throws HoldfastError if the store or the sink cannot be asked
 */
export async function observe(post: Post, question: Question): Promise<Facts> {
  const { name, sink, patienceMs = patienceMsDefault } = question;
  const resource = sink?.resource ?? name;
  const first = await look(post, name, sink?.guard, resource);
  const looks: [Look, ...Look[]] = [first];
  while (looks.length < looksMax) {
    const waitMs = nextLookInMs(looks);
    const leftMs = first.atMs + patienceMs - post.ports.now().monotonicMs;
    if (waitMs === undefined || waitMs > leftMs) break;
    await sleep(waitMs);
    looks.push(await look(post, name, sink?.guard, resource));
  }
  return {
    name,
    looks,
    wallMs: post.ports.now().wallMs,
    expectedHoldMs: question.expectedHoldMs,
    sink: sink === undefined ? undefined : { sink: sink.guard.sink, resource },
    ...(await frozenRecords(post, name, question.request)),
  };
}

async function look(post: Post, text: string, guard: Guard<unknown> | undefined, resource: string): Promise<Look> {
  // Before the store: whoever holds the name after this has at least this fence.
  const sinkMark =
    guard === undefined ? undefined : await asked(post, 'reading the mark of the sink', () => guard.mark(resource));
  const examination = await examined(post, text);
  const { held, waiting } = await inspect(post, parseName(text));
  const atMs = post.ports.now().monotonicMs;
  return {
    atMs,
    held,
    waiting,
    examination,
    processes: new Map([...held, ...waiting].map((record) => [holdKey(record), sightOf(record, post.self)])),
    sinkMark,
  };
}

function examined(post: Post, text: string): Promise<Examination> {
  const { backend, callTimeoutMs } = post;
  if (backend.examine === undefined) return Promise.resolve(nothing);
  const name = parseName(text);
  // It may walk the keyspace, page after page.
  return asked(
    post,
    'examining',
    () => backend.examine?.(name) ?? Promise.resolve(nothing),
    callTimeoutMs * limits.listStepTimeouts,
  );
}

/** @throws HoldfastError */
async function asked<T>(
  { calls, callTimeoutMs }: Post,
  doing: string,
  call: () => Promise<T>,
  timeoutMs = callTimeoutMs,
): Promise<T> {
  try {
    return await calls.promise(timeoutMs, doing, call);
  } catch (error) {
    throw asHoldfastError(error, doing);
  }
}
