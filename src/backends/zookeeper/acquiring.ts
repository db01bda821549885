import type { Ask, Grant, Refusal } from '../../core/backend.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import { limits } from '../../core/limits.js';
import { codes } from './client.js';
import { type Applicant, grantAgain, grantFirst, grantNext, isComparable } from './granting.js';
import { abandonedNode, type Child, idOf, type Place, placePrefix, type View } from './paths.js';
import type { Store } from './store.js';
import { dataOf } from './values.js';

/** Others may be faster so often, within the call's deadline. */
const triesMax = 64;
/** How many holders a refusal shows. */
const holdersShown = 16;

const abandoned: Refusal = { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };

/**
 * Tries once. A name that nobody seems to use is taken in one round trip; one that is in use is looked at first. What was
 * seen is compared in the same step as it is acted upon: if somebody was faster, it is looked at again.
 */
export async function acquire(store: Store, ask: Ask): Promise<Grant | Refusal> {
  const operation = store.operation(ask.ttlMs, `asking for "${ask.name.text}"`);
  const applicant: Applicant = { ask, id: idOf(ask.owner), parent: store.paths.of(ask.name), operation };
  for (let tries = 0; tries < triesMax; tries++) {
    const answer = await tryOnce(store, applicant);
    if (answer !== undefined) return answer;
  }
  const message = `"${ask.name.text}" changed hands faster than it could be asked for: ask again`;
  throw operation.hasWritten ? new OutcomeUnknownError(message) : new BackendUnavailableError(message);
}

async function tryOnce(store: Store, applicant: Applicant): Promise<Grant | Refusal | undefined> {
  const { ask, id, parent, operation } = applicant;
  const foreseen = store.wakes.foreseen(parent, id);
  if (foreseen !== undefined) {
    const grant = await grantNext(store, applicant, foreseen);
    if (grant !== undefined) return grant;
  }
  if (!store.isInUse(parent)) {
    const grant = await grantFirst(store, applicant);
    if (grant !== undefined) return grant;
  }
  const view = await store.look(operation, parent);
  if (view === undefined) {
    store.unused(parent);
    return undefined;
  }
  if (isShared(view, id)) store.used(parent);
  if (view.holders.some((holder) => holder.id === id)) return grantAgain(store, applicant);
  if (view.abandoned.has(id) || view.revoked.has(id)) return abandoned;

  const mine = view.places.find((place) => place.id === id);
  const line = lineFor(ask, view, mine);
  if (!line.held && line.ahead.length === 0) {
    return (await isComparable(store, applicant, view)) ? grantNext(store, applicant, view) : undefined;
  }
  if (ask.enqueue && mine === undefined) return takePlace(store, applicant, view);
  const retryInMs = await passOver(store, applicant, view, line);
  if (retryInMs === 'passed') return undefined;
  if (mine !== undefined) keepPlace(store, applicant, view, mine, line);
  return refusal(store, applicant, view, line, retryInMs);
}

/** Somebody else is there, too. */
function isShared({ holders, places }: View, id: string): boolean {
  return [...holders, ...places].some((child) => child.id !== id);
}

interface Line {
  /** By a holder that leaves no room for this ask. */
  readonly held: boolean;
  readonly blocking: readonly Child[];
  /** Places that come first. */
  readonly ahead: readonly Place[];
}

function lineFor({ mode }: Ask, { holders, places }: View, mine: Place | undefined): Line {
  const inTheWay = (other: Child) => mode === 'exclusive' || other.mode === 'exclusive';
  const blocking = holders.filter(inTheWay);
  const inFront = mine === undefined ? places : places.slice(0, places.indexOf(mine));
  return { held: blocking.length > 0, blocking, ahead: inFront.filter(inTheWay) };
}

/** A place, unless this owner has given up meanwhile. Who stands where is then looked at again. */
async function takePlace(store: Store, { ask, id, parent, operation }: Applicant, view: View): Promise<Refusal | undefined> {
  const answer = await operation.commit((steps) => {
    steps.isMissing(`${parent}/${abandonedNode(id)}`);
    // There is somebody to compare with now; needed at the latest when the name is granted to this one.
    if (view.lives.length === 0) steps.create(`${parent}/${store.newLife()}`, 'persistent').touch(parent);
    steps.create(`${parent}/${placePrefix(ask.mode, id)}`, 'ephemeralSequential', dataOf(ask));
  });
  if (!answer.done) return answer.code === codes.nodeExists ? abandoned : undefined;
  const path = answer.results.at(-1)?.path ?? '';
  store.keeping.add(operation.session, parent, path.slice(parent.length + 1), limits.placeMs);
  return undefined;
}

/** It was asked for again; and it is watched who stands before it. */
function keepPlace(store: Store, { id, parent, operation }: Applicant, view: View, mine: Place, line: Line): void {
  const kept = store.keeping.get(`${parent}/${mine.node}`);
  if (kept !== undefined) store.keeping.renew(kept, limits.placeMs);
  const before = line.ahead.at(-1) ?? line.blocking.at(-1);
  if (before !== undefined) store.wakes.until(operation.session, parent, before.node);
  if (line.ahead.length === 0 && line.blocking.length === 1 && view.lives.length > 0 && view.version > 0) {
    // What will be to see when the one holder has gone, unless something else is granted.
    store.wakes.foresee(parent, id, line.blocking[0] as Child, {
      ...view,
      holders: view.holders.filter((each) => each !== line.blocking[0]),
    });
  }
  // An ask whose answer was lost may have taken two.
  for (const { node } of view.places.filter((place) => place.id === id && place !== mine)) {
    operation.remove(`${parent}/${node}`).catch(() => {});
  }
}

/**
 * The head of the queue has so long to claim what is free, counted by everyone's own clock from when they saw it; then its
 * place is taken away. How long that may still be, where that is what is waited for.
 */
async function passOver(
  store: Store,
  { parent, operation }: Applicant,
  view: View,
  line: Line,
): Promise<number | 'passed' | undefined> {
  const [head] = line.ahead;
  if (head === undefined) return undefined;
  if (view.holders.some((holder) => head.mode === 'exclusive' || holder.mode === 'exclusive')) {
    store.notOffered(parent, head);
    return undefined;
  }
  const offeredMs = store.offeredMs(parent, head, view);
  if (offeredMs < limits.claimMs) return limits.claimMs - offeredMs;
  if (!(await isComparable(store, { parent, operation }, view))) return 'passed';
  await operation.commit((steps) =>
    steps.exists(`${parent}/${view.lives[0]}`).write(parent, view.version).remove(`${parent}/${head.node}`),
  );
  return 'passed';
}

async function refusal(
  store: Store,
  { parent, operation }: Applicant,
  view: View,
  line: Line,
  retryInMs: number | undefined,
): Promise<Refusal> {
  const shown = line.held ? view.holders.slice(0, holdersShown) : [];
  return {
    outcome: 'refused',
    because: line.held ? 'held' : 'queued',
    holders: await store.records(operation, parent, shown, true),
    ahead: line.ahead.length,
    ...(retryInMs === undefined ? {} : { retryInMs }),
  };
}
