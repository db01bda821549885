import type { LockRecord, Metadata, Refusal } from './backend.js';
import type { Caller, GivenUp } from './caller.js';
import { BusyError } from './errors.js';
import type { Emitter, LockEvent } from './events.js';
import { shownBeside } from './expected-hold.js';
import type { StoreContext } from './giving-back.js';
import type { LockName } from './name.js';
import type { Settings } from './options.js';
import type { Servings } from './servings.js';
import { type Answer, Asker } from './waiting.js';

/** What those who do not queue need of the queue. */
export interface Desk {
  readonly name: LockName;
  readonly store: StoreContext;
  readonly emitter: Emitter;
  readonly servings: Servings;
  /** Somebody of this process waits in front. */
  readonly anyoneWaits: boolean;
  run(asker: Asker, answered: (answer: Answer) => void, failed: (error: unknown) => void): void;
  giveUp(caller: Caller, because: GivenUp, reason: unknown): void;
  /** Callers that do not queue, while their own ask is under way. */
  readonly aside: Map<Caller, Asker>;
  limitWait(caller: Caller): void;
  event(settings: Settings): LockEvent;
}

/** `ifAvailable` and `waitMs: 0`: one try, no place in any queue. */
export function tryOnce(desk: Desk, caller: Caller): void {
  const { mode, ttlMs, metadata } = caller.settings;
  if (desk.servings.conflict(mode) || desk.anyoneWaits) return notAvailable(desk, caller, 'this process', undefined);
  const want = { name: desk.name, mode, ttlMs, metadata };
  ask(desk, caller, new Asker(desk.store, want, { once: true, fencesWanted: () => 1, metadata: shown(caller) }));
}

/** Takes the lock from whoever holds it, in front of everyone who waits. */
export function steal(desk: Desk, caller: Caller): void {
  const { backend, node } = desk.store;
  const { mode, ttlMs, metadata } = caller.settings;
  const reason = thiefOf(desk);
  const asker: Asker = new Asker(
    desk.store,
    { name: desk.name, mode, ttlMs, metadata },
    {
      once: caller.settings.waitMs === 0,
      fencesWanted: () => 1,
      metadata: shown(caller),
      send: async (heir) => {
        const { ended, grant } = await backend.revoke(desk.name, { kind: 'stolen', reason, node, heir });
        // For those who want to know whom the thief comes after.
        asker.behind = ended;
        if (ended.length > 0) desk.emitter.emit('revoked', () => ({ ...desk.event(caller.settings), kind: 'stolen', reason }));
        return grant ?? { outcome: 'refused', because: 'abandoned', holders: [], ahead: 0 };
      },
    },
  );
  ask(desk, caller, asker);
}

/** Undefined if nothing goes with the ask but its metadata. */
function shown({ trace, settings: { metadata, expectedHoldMs } }: Caller): (() => Metadata) | undefined {
  if (trace === undefined && expectedHoldMs === undefined) return undefined;
  return () => shownBeside(metadata, expectedHoldMs, trace);
}

function thiefOf({ store: { node } }: Desk): string {
  return `stolen by ${node.host}/${node.pid}`;
}

function ask(desk: Desk, caller: Caller, asker: Asker): void {
  desk.aside.set(caller, asker);
  desk.limitWait(caller);
  desk.run(
    asker,
    (answer) => answered(desk, caller, answer, asker.behind),
    (error) => {
      if (desk.aside.delete(caller)) desk.giveUp(caller, 'failed', error);
    },
  );
}

function answered(desk: Desk, caller: Caller, answer: Answer, behind: readonly LockRecord[] | undefined): void {
  // Not there any more: it has left and been told why.
  if (!desk.aside.delete(caller) || answer.outcome === 'given-up') return;
  if (answer.outcome === 'refused') {
    return notAvailable(desk, caller, describe(answer.refusal), answer.refusal.holders);
  }
  // Whoever held it here has lost it, and hears so before the thief begins.
  if (caller.settings.steal) desk.servings.stolenBy(answer.grant.fences.first, thiefOf(desk));
  desk.servings.serve(answer, [caller], behind);
}

function notAvailable(desk: Desk, caller: Caller, holder: string, holders: readonly LockRecord[] | undefined): void {
  caller.stopWaiting();
  const { actions, settings, trace } = caller;
  desk.emitter.emit('refused', () => ({
    ...desk.event(settings),
    because: 'busy',
    waitedMs: desk.store.ports.now().monotonicMs - caller.enqueuedAt.monotonicMs,
  }));
  if (settings.ifAvailable) {
    trace?.notAvailable(desk.servings.notes(holders));
    desk.store.background.callback(async () => {
      // Never inside the caller's own call of request().
      await Promise.resolve();
      await new Promise<void>((workDone) => actions.begin(null, workDone));
      trace?.over(undefined);
      actions.over();
    });
    return;
  }
  const lock = desk.name.text;
  const error = new BusyError(`"${lock}" is held by ${holder}: wait for it, or try again later`, { lock });
  trace?.failed('busy', error, desk.servings.notes(holders));
  actions.fail(error);
}

function describe(refusal: Refusal): string {
  const holder = refusal.holders[0];
  return holder === undefined ? 'someone who waits in front' : `${holder.node.host}, process ${holder.node.pid}`;
}
