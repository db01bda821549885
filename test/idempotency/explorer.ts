import * as machine from '../../src/idempotency/machine.js';
import { withLateOutcome } from '../../src/idempotency/late.js';
import { resolveFrozen, takeFrozen } from '../../src/idempotency/reconciling.js';
import type { IdempotencyRecord, LateOutcome } from '../../src/idempotency/record.js';

/** The functions under test; a test may put a broken one in place of any. */
export const rules = { ...machine, withLateOutcome, resolveFrozen, takeFrozen };
export type Rules = typeof rules;

/**
 * A small world: a store with one record, two workers with the same request, a reconciler, and a sink. A step is one thing that happens: a message is sent, done, or its answer
 * lost; a lease ends; a handler marks, applies or throws; a worker dies. Pauses are all orders of steps. Every order is tried.
 */
export interface World {
  readonly stored: { readonly record: IdempotencyRecord; readonly version: number } | undefined;
  readonly lastVersion: number;
  /** The lease of what is stored is over, by the store's clock. */
  readonly ended: boolean;
  readonly sink: { readonly mark: number; readonly applied: number };
  readonly workers: readonly Worker[];
  readonly reconciler: Reconciler;
  /** Writes that somebody gave up and that may still be done. */
  readonly strays: readonly Write[];
  readonly faultsLeft: number;
}

interface Write {
  readonly over: number | undefined;
  readonly next: IdempotencyRecord;
}

type Phase = 'idle' | 'entering' | 'running' | 'marked' | 'applied' | 'settling' | 'late' | 'dead';

interface Worker {
  readonly phase: Phase;
  readonly requestsLeft: number;
  readonly claims: number;
  /** What it asked the store to do, and has no answer to. */
  readonly sent: Write | undefined;
  readonly held: { readonly record: IdempotencyRecord; readonly version: number } | undefined;
  /** Its own early deadline has passed. */
  readonly isOver: boolean;
  readonly renewed: boolean;
  readonly ending: machine.Ending | undefined;
}

interface Reconciler {
  readonly phase: 'idle' | 'taken' | 'raised' | 'done';
  readonly held: { readonly record: IdempotencyRecord; readonly version: number } | undefined;
}

export interface Step {
  readonly label: string;
  readonly world: World;
}

const identity = { namespace: 'n', tenant: undefined, operation: 'o', key: 'k', signature: 's' };
const worker: Worker = {
  phase: 'idle',
  requestsLeft: 1,
  claims: 0,
  sent: undefined,
  held: undefined,
  isOver: false,
  renewed: false,
  ending: undefined,
};

export function startOf(options: {
  readonly requests: readonly number[];
  readonly reconciles: boolean;
  readonly faults: number;
}): World {
  return {
    stored: undefined,
    lastVersion: 0,
    ended: false,
    sink: { mark: 0, applied: 0 },
    workers: options.requests.map((requestsLeft) => ({ ...worker, requestsLeft })),
    reconciler: { phase: options.reconciles ? 'idle' : 'done', held: undefined },
    strays: [],
    faultsLeft: options.faults,
  };
}

export class Explorer {
  readonly #rules: Rules;
  readonly #guarded: boolean;

  /** @param guarded whether the sink refuses older fences */
  constructor(under: Rules, guarded: boolean) {
    this.#rules = under;
    this.#guarded = guarded;
  }

  /** Every state that can be reached; stops at the first broken promise. */
  explore(start: World): { readonly states: number; readonly broken: string | undefined; readonly seen: ReadonlySet<string> } {
    const known = new Set<string>();
    const situations = new Set<string>();
    const open: { world: World; path: readonly string[] }[] = [{ world: start, path: [] }];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      for (const { label, world } of this.#steps(next.world)) {
        const broken = this.#broken(next.world, world);
        const path = [...next.path, label];
        if (broken !== undefined) return { states: known.size, broken: `${broken}: ${path.join(', ')}`, seen: situations };
        const id = idOf(world);
        if (known.has(id)) continue;
        known.add(id);
        const record = world.stored?.record;
        if (record !== undefined)
          situations.add(
            `${record.state}${record.disputed ? ' disputed' : ''}${record.evidence.length > 0 ? ' with evidence' : ''}`,
          );
        open.push({ world, path });
      }
    }
    return { states: known.size, broken: undefined, seen: situations };
  }

  #broken(before: World, after: World): string | undefined {
    if (after.sink.applied > 1) return 'the effect was applied twice';
    const [old, now] = [before.stored?.record, after.stored?.record];
    if (old === undefined || old === now || now === undefined) return undefined;
    if (now.fence < old.fence) return 'the fence went back';
    if ((old.state === 'COMPLETED' || old.state === 'FAILED') && (now.state !== old.state || now.answer !== old.answer)) {
      return `what was ${old.state} was written over`;
    }
    if (old.evidence.some((item) => !now.evidence.includes(item))) return 'evidence was lost';
    if (old.state === 'FROZEN' && now.state !== 'FROZEN' && now.resolution?.verdict === undefined) return 'thawed by nobody';
    return undefined;
  }

  *#steps(world: World): Generator<Step> {
    for (const [index, one] of world.workers.entries()) yield* this.#worker(world, index, one);
    for (const [index, stray] of world.strays.entries()) {
      if (stray.over !== world.stored?.version) continue;
      const rest = world.strays.filter((_, at) => at !== index);
      yield { label: 'a stray arrives', world: { ...this.#do(world, stray).world, strays: rest } };
    }
    const record = world.stored?.record;
    if (record?.state === 'PROCESSING' && !world.ended) {
      // The holder's deadline is before that of the store.
      const workers = world.workers.map((one) => (one.held?.record.claim === record.claim ? { ...one, isOver: true } : one));
      yield { label: 'the lease ends', world: { ...world, ended: true, workers } };
    }
    yield* this.#reconcile(world);
  }

  *#worker(world: World, index: number, one: Worker): Generator<Step> {
    const name = `w${index}`;
    const to = (change: Partial<Worker>, more: Partial<World> = {}): World => ({
      ...world,
      ...more,
      workers: (more.workers ?? world.workers).map((other, at) => (at === index ? { ...one, ...change } : other)),
    });
    if (one.phase === 'dead') return;
    if (world.faultsLeft > 0 && one.phase !== 'idle') {
      const strays = one.sent === undefined ? world.strays : [...world.strays, one.sent];
      yield {
        label: `${name} dies`,
        world: to(
          { phase: 'dead', sent: undefined, held: undefined, ending: undefined },
          { strays, faultsLeft: world.faultsLeft - 1 },
        ),
      };
    }
    if (one.sent !== undefined) return yield* this.#answers(world, one, name, to);
    switch (one.phase) {
      case 'idle':
        if (one.requestsLeft > 0)
          yield {
            label: `${name} asks`,
            world: to({ ...this.#ask(world, one, index, undefined), requestsLeft: one.requestsLeft - 1 }),
          };
        return;
      case 'running':
        if (!one.renewed && !one.isOver) yield* this.#renewal(one, name, to);
        if (!one.isOver) yield { label: `${name} marks an effect`, world: to({ phase: 'marked' }) };
        yield { label: `${name} throws at once`, world: to(settling({ type: 'threw-before-effect', error: 'x' })) };
        yield { label: `${name} fails for good`, world: to(settling({ type: 'failed', answer: { kept: true, text: 'no' } })) };
        return;
      case 'marked': {
        const fence = Number(one.held?.record.fence);
        const isStale = this.#guarded && fence < world.sink.mark;
        const sink = isStale ? world.sink : { mark: Math.max(fence, world.sink.mark), applied: world.sink.applied + 1 };
        if (!isStale) yield { label: `${name} applies it`, world: to({ phase: 'applied' }, { sink }) };
        yield { label: `${name} throws without applying`, world: to(settling({ type: 'threw', error: 'x' })) };
        return;
      }
      case 'applied':
        yield {
          label: `${name} completes`,
          world: to(settling({ type: 'completed', answer: { kept: true, text: `by ${name}` } })),
        };
        yield { label: `${name} throws`, world: to(settling({ type: 'threw', error: 'x' })) };
        return;
      case 'settling':
        yield* this.#settling(one, name, to);
        return;
      case 'late':
        yield* this.#late(world, one, name, to);
        return;
      default:
    }
  }

  *#renewal(one: Worker, name: string, to: (change: Partial<Worker>, more?: Partial<World>) => World): Generator<Step> {
    const { record, version } = one.held as NonNullable<Worker['held']>;
    const next = this.#rules.renewed(record, record, []);
    if (next === undefined) return;
    // Its answer is not waited for: the next write finds out under which version the record stands.
    const world = to({ renewed: true });
    yield { label: `${name} sends a renewal`, world: { ...world, strays: [...world.strays, { over: version, next }] } };
  }

  /** What an own claim is known by differs from claim to claim. */
  #ask(world: World, one: Worker, index: number, found: World['stored']): Partial<Worker> {
    const by = { ...identity, claim: `${index}.${one.claims}`, node: `w${index}`, leaseTtlMs: 1, ttlMs: 1, atMs: 0 };
    const fence = (found?.record.fence ?? 0n) + 1n;
    const admission = this.#rules.admit(found?.record, by, fence, world.ended);
    if (admission.type === 'claim' || admission.type === 'freeze') {
      return {
        phase: 'entering',
        sent: { over: found?.version, next: admission.next },
        claims: one.claims + 1,
        isOver: false,
        renewed: false,
      };
    }
    if (admission.type === 'own') throw new Error('an own claim that was not answered');
    return { phase: 'idle', sent: undefined };
  }

  *#answers(
    world: World,
    one: Worker,
    name: string,
    to: (change: Partial<Worker>, more?: Partial<World>) => World,
  ): Generator<Step> {
    const sent = one.sent as Write;
    const index = Number(name.slice(1));
    const done = this.#do(world, sent);
    const after = (change: Partial<Worker>) => to({ sent: undefined, ...change }, done.world);
    yield { label: `${name} is answered`, world: after(this.#answered(done.world, one, index, sent, done.written)) };
    if (world.faultsLeft === 0) return;
    const faultsLeft = world.faultsLeft - 1;
    yield { label: `${name}'s answer is lost`, world: { ...after(this.#unanswered(done.world, one, sent)), faultsLeft } };
    const given = this.#unanswered(world, one, sent);
    yield {
      label: `${name} gives a write up that is still under way`,
      world: to({ sent: undefined, ...given }, { strays: [...world.strays, sent], faultsLeft }),
    };
  }

  #answered(world: World, one: Worker, index: number, sent: Write, written: boolean): Partial<Worker> {
    const stored = world.stored as NonNullable<World['stored']>;
    switch (one.phase) {
      case 'entering':
        if (written && sent.next.state === 'PROCESSING')
          return { phase: 'running', held: { record: sent.next, version: stored.version } };
        return written ? { phase: 'idle' } : this.#ask(world, one, index, stored);
      case 'settling': {
        const mine = one.held?.record as IdempotencyRecord;
        if (written || this.#rules.isSettledBy(stored.record, mine)) return over;
        return this.#rules.isHeldBy(stored.record, mine) ? { held: stored } : { phase: 'late' };
      }
      default:
        return written ? over : {};
    }
  }

  /** Looks what became of it, as the shell does. */
  #unanswered(world: World, one: Worker, sent: Write): Partial<Worker> {
    if (one.phase !== 'entering') return {};
    const { stored } = world;
    if (
      stored !== undefined &&
      sent.next.state === 'PROCESSING' &&
      stored.record.claim === sent.next.claim &&
      this.#rules.isHeldBy(stored.record, sent.next)
    ) {
      return { phase: 'running', held: stored };
    }
    return { phase: 'idle' };
  }

  *#settling(one: Worker, name: string, to: (change: Partial<Worker>) => World): Generator<Step> {
    const { record, version } = one.held as NonNullable<Worker['held']>;
    const next = one.isOver ? undefined : this.#rules.settled(record, record, one.ending as machine.Ending, [], 0);
    if (next === undefined) yield { label: `${name} is late`, world: to({ phase: 'late' }) };
    else yield { label: `${name} writes its end`, world: to({ sent: { over: version, next } }) };
  }

  *#late(world: World, one: Worker, name: string, to: (change: Partial<Worker>) => World): Generator<Step> {
    const stored = world.stored as NonNullable<World['stored']>;
    const mine = one.held?.record as IdempotencyRecord;
    const ending = one.ending as machine.Ending;
    if (this.#rules.isSettledBy(stored.record, mine)) {
      yield { label: `${name} finds that it had settled it`, world: to(over) };
      return;
    }
    const late: LateOutcome = {
      attempt: mine.attempt,
      fence: mine.fence,
      node: name,
      outcome: ending.type,
      effects: [],
      answer: 'answer' in ending ? ending.answer : undefined,
      error: undefined,
      atMs: 0,
    };
    const next = this.#rules.withLateOutcome(stored.record, late);
    if (next === undefined) yield { label: `${name} has nothing to add`, world: to(over) };
    else yield { label: `${name} adds evidence`, world: to({ sent: { over: stored.version, next } }) };
  }

  *#reconcile(world: World): Generator<Step> {
    const { stored, reconciler } = world;
    const by = { term: 1n, by: 'r' };
    if (stored === undefined || reconciler.phase === 'done') return;
    const frozen = reconciler.phase === 'idle' && world.ended ? this.#rules.freezeEnded(stored.record, 0) : undefined;
    if (frozen !== undefined) {
      yield {
        label: 'the reconciler writes down that it froze',
        world: this.#do(world, { over: stored.version, next: frozen }).world,
      };
      return;
    }
    if (reconciler.phase === 'idle') {
      const next = this.#rules.takeFrozen(stored.record, by, stored.record.fence + 1n, 0);
      if (next === undefined) return;
      const done = this.#do(world, { over: stored.version, next });
      yield {
        label: 'the reconciler takes it',
        world: { ...done.world, reconciler: { phase: 'taken', held: done.world.stored } },
      };
      return;
    }
    const held = reconciler.held as NonNullable<Reconciler['held']>;
    if (reconciler.phase === 'taken') {
      const mark = Math.max(world.sink.mark, Number(held.record.fence));
      yield {
        label: 'it raises the sink',
        world: { ...world, sink: { ...world.sink, mark }, reconciler: { phase: 'raised', held } },
      };
      return;
    }
    const verdict =
      world.sink.applied > 0
        ? ({ verdict: 'completed', answer: { kept: true, text: 'found' } } as const)
        : ({ verdict: 'retry' } as const);
    // Evidence may have been added since: then it reads again.
    const next = this.#rules.resolveFrozen(stored.record, by, verdict, undefined, 0);
    if (next === undefined) return;
    const done = this.#do(world, { over: stored.version, next });
    yield { label: `it resolves: ${verdict.verdict}`, world: { ...done.world, reconciler: { phase: 'done', held: undefined } } };
  }

  /** What the store does: compare and set. */
  #do(world: World, { over, next }: Write): { readonly world: World; readonly written: boolean } {
    if (world.stored?.version !== over) return { world, written: false };
    const version = world.lastVersion + 1;
    return { world: { ...world, stored: { record: next, version }, lastVersion: version, ended: false }, written: true };
  }
}

const over: Partial<Worker> = { phase: 'idle', held: undefined, ending: undefined };

function settling(ending: machine.Ending): Partial<Worker> {
  return { phase: 'settling', ending };
}

/** The same for worlds that go on alike: a write over another version than what stands there will never be done. */
function idOf(world: World): string {
  const now = world.stored?.version;
  const at = (version: number | undefined) => (version === now ? '=' : '-');
  const write = (one: Write | undefined) =>
    one === undefined ? '' : at(one.over) + (one.over === now ? recordId(one.next) : '');
  const held = (one: World['stored']) => (one === undefined ? '' : at(one.version) + recordId(one.record));
  return [
    world.stored === undefined ? '' : recordId(world.stored.record),
    world.ended,
    world.sink.mark,
    world.sink.applied,
    world.faultsLeft,
    ...world.workers.map((one) =>
      [
        one.phase,
        one.requestsLeft,
        one.claims,
        write(one.sent),
        held(one.held),
        one.isOver,
        one.renewed,
        one.ending?.type,
      ].join(),
    ),
    world.reconciler.phase,
    held(world.reconciler.held),
    ...world.strays
      .filter((one) => one.over === now)
      .map(write)
      .sort(),
  ].join('|');
}

function recordId(record: IdempotencyRecord): string {
  const { state, attempt, fence, claim, answer, frozen, resolution, evidence, disputed } = record;
  const seen = evidence.map((late) => `${late.attempt}.${late.fence}.${late.outcome}`).join();
  return [
    state,
    attempt,
    fence,
    claim,
    JSON.stringify(answer),
    frozen?.because,
    resolution?.verdict,
    resolution?.term,
    seen,
    disputed,
  ].join(';');
}
