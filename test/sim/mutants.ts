/** One textual change of the compiled code. `find` must occur exactly once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A bug that somebody could really write. The simulator has to find it. */
export interface Mutant {
  readonly name: string;
  readonly why: string;
  readonly edits: readonly Edit[];
}

/** @param edits file, text, and what stands there instead */
export function mutant(
  name: string,
  why: string,
  ...edits: readonly (readonly [file: string, find: string, replace: string])[]
): Mutant {
  return { name, why, edits: edits.map(([file, find, replace]) => ({ file, find, replace })) };
}

const hold = 'core/hold.js';
const clock = 'core/clock.js';
const waiting = 'core/waiting.js';
const serving = 'core/serving.js';
const store = 'backends/memory/store.js';
const threeClocks =
  'return Math.max(now.monotonicMs - since.monotonicMs, now.uptimeMs - since.uptimeMs, now.wallMs - since.wallMs);';
const mintFloor = 'const first = previous + 1n > wallUs ? previous + 1n : wallUs;';
const tickBeforeTurn = 'if (!this.hold.tick(now))\n                return;';

export const mutants: readonly Mutant[] = [
  mutant('deadline-from-grant-reply', 'The deadline is counted from when the grant arrived, not from when it was asked for.', [
    'core/live-hold.js',
    'this.#state = startHold(sentAt, grant.ttlMs);',
    'this.#state = startHold(context.ports.now(), grant.ttlMs);',
  ]),
  mutant('deadline-from-renewal-reply', 'The deadline is counted from when the renewal was answered.', [
    hold,
    'const deadline = deadlineFor(sentAt, answer.ttlMs);',
    'const deadline = deadlineFor(now, answer.ttlMs);',
  ]),
  mutant('wall-clock-only', 'Elapsed time is read from the clock that people and NTP step back.', [
    clock,
    threeClocks,
    'return now.wallMs - since.wallMs;',
  ]),
  mutant('monotonic-clock-only', 'Elapsed time is read from the clock that stands still while the machine sleeps.', [
    clock,
    threeClocks,
    'return now.monotonicMs - since.monotonicMs;',
  ]),
  mutant('plain-delete', 'A release deletes whoever holds the lock by now.', [
    store,
    'const found = entry.holders.delete(held.owner);',
    'const found = entry.holders.size > 0; entry.holders.clear();',
  ]),
  mutant('renewal-creates', 'A renewal takes the lock again if it finds nobody there.', [
    store,
    "const outcome = entry.holders.size > 0 ? 'not-yours' : 'gone';",
    `if (entry.holders.size === 0 && by === undefined) {
       const node = { host: '', pid: 0, bootId: '', startedAt: '', nonce: '' };
       this.#grant(entry, { ...held, fences: 1, enqueue: false, node, metadata: {} }, now);
       return { outcome: 'renewed', ttlMs: held.ttlMs };
     }
     const outcome = entry.holders.size > 0 ? 'not-yours' : 'gone';`,
  ]),
  mutant('late-yes', 'A yes that arrives after the deadline revives the hold.', [
    hold,
    'if (remainingMs(state.deadline, event.now) <= 0) {',
    "if (remainingMs(state.deadline, event.now) <= 0 && event.type !== 'renewal-answered') {",
  ]),
  mutant('deaf-waiter', 'Wake-ups are ignored; only the poll is left.', [
    'core/queue.js',
    '() => this.#asker?.wake()',
    '() => undefined',
  ]),
  mutant('listens-too-late', 'A waiter begins to listen after its last try: what was freed in between goes unheard.', [
    waiting,
    'if (justListening)\n            this.#try();\n        else\n            this.#tryAfter',
    'this.#tryAfter',
  ]),
  mutant('trusts-wake-ups', 'Nobody asks again without a wake-up: one that is lost, or a TTL that runs out, is never noticed.', [
    waiting,
    'return Math.max(limits.retryMsMin, Math.min(pollMs, refusal.retryInMs ?? Number.POSITIVE_INFINITY));',
    'return pollMs * 1e6;',
  ]),
  mutant('no-clock-floor', 'Fences are a bare counter: it begins anew when the store loses its data.', [
    'core/fence.js',
    mintFloor,
    'const first = previous + 1n;',
  ]),
  mutant('clock-only-fence', 'Fences are the bare clock: it is stepped back.', [
    'core/fence.js',
    mintFloor,
    'const first = wallUs;',
  ]),
  mutant('place-left-behind', 'Abandoning an ask leaves its place in the queue.', [
    store,
    'entry.places = entry.places.filter((place) => place.ask.owner !== ask.owner);',
    '',
  ]),
  mutant('no-tombstone', 'An abandoned ask that arrives late is granted to nobody.', [
    store,
    'this.#end(ask.owner, undefined, now);',
    '',
  ]),
  mutant('released-while-working', 'The lock is given back when the work begins, not when it ends.', [
    serving,
    "emitter.emit('granted', () => turn.event(), turn);",
    "emitter.emit('granted', () => turn.event(), turn); this.#host.giveBack(this, turn, () => {});",
  ]),
  mutant('one-failed-renewal', 'Renewing stops for good at the first failure.', [
    hold,
    "effects.push({ type: 'schedule-renewal', afterFailures: failures });",
    '',
  ]),
  mutant('gone-is-unknown', 'A clear "gone" is taken for a failure, and the work goes on until the deadline.', [
    hold,
    "return lose(state, answer.by?.kind ?? 'forgotten', answer.by?.reason);",
    'return unanswered(state, undefined, now);',
  ]),
  mutant('unknown-is-gone', 'A renewal without an answer ends the lease at once.', [
    hold,
    'return unanswered(state, answer.cause, now);',
    "return lose(state, 'forgotten');",
  ]),
  mutant('asks-twice-holds-twice', 'The same owner asking again is granted a second range.', [
    store,
    'mine.expiresAtMs = now + ask.ttlMs;\n            return granted(mine);',
    'return this.#grant(entry, ask, now);',
  ]),
  mutant('new-owner-per-try', 'Every try asks under a new owner: what an unanswered one got is nobody’s.', [
    waiting,
    'const ask = this.#ask();\n        const sentAt',
    'this.#footprint = new Footprint(this.#context.ports.randomOwner());\n        const ask = this.#ask();\n        const sentAt',
  ]),
  mutant(
    'dead-grant-accepted',
    'Work begins on a grant whose time was over when it arrived.',
    [
      waiting,
      'const late = remainingMs(deadlineFor(sentAt, grant.ttlMs), this.#context.ports.now()) <= 0;',
      'const late = false;',
    ],
    [serving, tickBeforeTurn, ''],
  ),
  mutant(
    'late-grant-kept',
    'A grant that arrives after its waiter has gone is neither used nor given back.',
    [waiting, 'this.#abandon();\n        this.#pauses.end();', 'this.#pauses.end();'],
    [
      waiting,
      'granted();\n        if (this.#givenUp)\n            return this.#leave();',
      'granted();\n        if (this.#givenUp)\n            return this.#answered(leftAlone);',
    ],
  ),
  mutant(
    'batch-goes-on',
    'The callers of a batch go on taking their turns after the hold is lost.',
    [serving, 'const unserved = this.#batch;\n        this.#batch = [];', 'const unserved = [];'],
    [serving, tickBeforeTurn, ''],
  ),
  mutant('endless-slice', 'One grant serves callers for as long as more of them come.', [
    serving,
    'this.#beganAtMs + limits.sliceMs - now.monotonicMs',
    'Number.POSITIVE_INFINITY',
  ]),
  mutant(
    'slice-for-nobody',
    'Where nobody can queue in the store, too, one grant serves those who come while it runs.',
    [
      'core/servings.js',
      'if (!this.#host.store.backend.traits.queue || !this.#host.hasLatecomer',
      'if (!this.#host.hasLatecomer',
    ],
    ['core/servings.js', "mode === 'shared' || !this.#host.store.backend.traits.queue", "mode === 'shared'"],
  ),
  mutant('shared-overtakes', 'Readers pass a writer that waits in front of them.', [
    store,
    "const blocking = inFront.filter((place) => ask.mode === 'exclusive' || place.ask.mode === 'exclusive');",
    "const blocking = ask.mode === 'exclusive' ? inFront : [];",
  ]),
  mutant('no-deadline-timer', 'Nobody watches the deadline: a loss shows when the next answer arrives.', [
    'core/keeper.js',
    'Math.min(hold.renewAtMs, this.#deadlineMs(hold, now))',
    'hold.renewAtMs',
  ]),
  mutant('error-swallowed', 'What the callback threw is lost on the way.', [
    'core/requested.js',
    'ended(() => this.#reject(error))',
    'ended(() => this.#resolve(undefined))',
  ]),
];
