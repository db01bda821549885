import type { Held, Renewal } from '../../core/backend.js';
import { limits } from '../../core/limits.js';
import type { Kept } from './keeping.js';
import type { Operation } from './operation.js';
import { holdNode, idOf } from './paths.js';
import { prove } from './proving.js';
import { endingOf } from './releasing.js';
import type { Session } from './session.js';
import { promisedMs } from './sessions.js';
import type { Store } from './store.js';

interface Entry {
  readonly held: Held;
  readonly index: number;
  readonly path: string;
}

/** Characters of paths in one transaction: servers refuse requests of a megabyte. */
const charsMax = 300_000;
/** Nodes that are asked for one by one at the same time. */
const atOnce = 100;

/** One transaction for all holds of a session. */
export async function renewAll(store: Store, holds: readonly Held[]): Promise<readonly Renewal[]> {
  const answers: Renewal[] = [];
  const groups = new Map<Session, Entry[]>();
  for (const [index, held] of holds.entries()) {
    const session = store.sessions.of(held.ttlMs);
    const path = `${store.paths.of(held.name)}/${holdNode(held.mode, idOf(held.owner))}`;
    const group = groups.get(session);
    if (group === undefined) groups.set(session, [{ held, index, path }]);
    else group.push({ held, index, path });
  }
  const sent = [...groups.values()].flatMap(portions).map(async (entries) => {
    try {
      await renewTogether(store, entries, answers);
    } catch (cause) {
      for (const { index } of entries) answers[index] ??= { outcome: 'unknown', cause };
    }
  });
  await Promise.all(sent);
  return answers;
}

function portions(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const all: Entry[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const entry of entries) {
    chars += entry.path.length * 2 + 40;
    const last = all.at(-1);
    if (last === undefined || chars > charsMax) {
      all.push([entry]);
      chars = entry.path.length * 2 + 40;
    } else last.push(entry);
  }
  return all;
}

/**
 * A transaction of nothing but questions: that the leader put it among its writes proves that the session lives, and its answer
 * that every one of these nodes is there. A read would prove neither, as it may be answered by a server that has been left behind.
 */
async function renewTogether(store: Store, entries: readonly Entry[], answers: Renewal[]): Promise<void> {
  const ttlMs = Math.min(...entries.map(({ held }) => held.ttlMs));
  const operation = store.operation(ttlMs, 'renewing', limits.renewTimeoutTtlRatioMax);
  const ours = entries.filter(({ path }) => store.keeping.get(path)?.session === operation.session);
  const kept = ours.map(({ path }) => store.keeping.get(path) as Kept);
  for (const each of kept) each.busy += 1;
  try {
    if (ours.length > 0) {
      const answer = await operation.commit((steps) => {
        for (const { path } of ours) steps.exists(path);
      });
      if (answer.done) for (const [i, entry] of ours.entries()) renewed(store, operation, entry, kept[i] as Kept, answers);
    }
    const open = entries.filter(({ index }) => answers[index] === undefined);
    for (let i = 0; i < open.length; i += atOnce) {
      await Promise.all(open.slice(i, i + atOnce).map((entry) => renewAlone(store, operation, entry, answers)));
    }
  } finally {
    for (const each of kept) each.busy -= 1;
  }
}

/** Some hold of the portion is gone, or was not made through this session. */
async function renewAlone(store: Store, operation: Operation, entry: Entry, answers: Renewal[]): Promise<void> {
  const { held, index, path } = entry;
  const kept = store.keeping.get(path);
  if (kept?.session === operation.session) {
    if ((await operation.read(path)) !== undefined) return renewed(store, operation, entry, kept, answers);
  } else {
    const parent = store.paths.of(held.name);
    const known = await prove(store, operation, parent, path.slice(parent.length + 1), held.ttlMs);
    if (known !== undefined) {
      answers[index] = { outcome: 'renewed', ttlMs: promisedMs(held.ttlMs, operation.session.timeoutMs) };
      return;
    }
  }
  store.keeping.forget(path);
  answers[index] = await endingOf(store, operation, held);
}

function renewed(store: Store, operation: Operation, { held, index }: Entry, kept: Kept, answers: Renewal[]): void {
  store.keeping.renew(kept, held.ttlMs);
  answers[index] = { outcome: 'renewed', ttlMs: promisedMs(held.ttlMs, operation.session.timeoutMs) };
}
