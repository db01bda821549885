import type { Mode } from '../../core/backend.js';
import type { History, HistoryEvent } from './history.js';

type Of<T extends HistoryEvent['type']> = Extract<HistoryEvent, { readonly type: T }>;

/** One grant in the store, from the range that it minted to its end. */
export interface Tenure {
  readonly owner: string;
  readonly process: string;
  readonly name: string;
  readonly mode: Mode;
  readonly first: bigint;
  readonly last: bigint;
  readonly ttlMs: number;
  readonly minted: Of<'minted'>;
  /** When the store would have let it go, as it stood from that event on. */
  readonly until: { readonly index: number; readonly untilMs: number; readonly copy: boolean }[];
  /** Ended on request, before it ran out. */
  ended: Of<'ended'> | undefined;
}

/** One request and everything that became of it. */
export interface Turn {
  readonly op: string;
  readonly requested: Of<'requested'>;
  started: Of<'started'> | undefined;
  tenure: Tenure | undefined;
  readonly touched: Of<'touched'>[];
  signalled: Of<'signalled'> | undefined;
  worked: Of<'worked'> | undefined;
  settled: Of<'settled'> | undefined;
}

/** A history, put in order for the rules. */
export interface Model {
  readonly history: History;
  readonly turns: readonly Turn[];
  readonly tenures: readonly Tenure[];
  readonly diedAtMs: ReadonlyMap<string, number>;
  of<T extends HistoryEvent['type']>(type: T): readonly Of<T>[];
  tenuresOf(name: string): readonly Tenure[];
  /** What disturbed this process (or everyone) between two moments. */
  disturbed(process: string, fromMs: number, toMs: number): readonly Of<'fault'>[];
}

export function readHistory(history: History): Model {
  const byType = new Map<string, HistoryEvent[]>();
  for (const event of history.events) {
    const list = byType.get(event.type);
    if (list === undefined) byType.set(event.type, [event]);
    else list.push(event);
  }
  const of = <T extends HistoryEvent['type']>(type: T) => (byType.get(type) ?? []) as unknown as readonly Of<T>[];
  const tenures = readTenures(history);
  const byName = group(tenures, (tenure) => tenure.name);
  return {
    history,
    turns: readTurns(history.events, byName),
    tenures,
    diedAtMs: new Map(of('died').map((event) => [event.process, event.atMs])),
    of,
    tenuresOf: (name) => byName.get(name) ?? [],
    disturbed: (process, fromMs, toMs) =>
      of('fault').filter(
        (fault) => (fault.process === undefined || fault.process === process) && fault.fromMs <= toMs && fault.toMs >= fromMs,
      ),
  };
}

/** When the tenure was over in the store, by everything that was known at the end. */
export function overAtMs(tenure: Tenure): number {
  return tenure.ended?.atMs ?? untilMsAt(tenure, Number.POSITIVE_INFINITY);
}

/** Until when the store kept it, as it stood at one point of the history. */
export function untilMsAt(tenure: Tenure, index: number): number {
  let untilMs = tenure.minted.untilMs;
  for (const step of tenure.until) if (step.index <= index) untilMs = step.untilMs;
  return untilMs;
}

export function conflict(a: Mode, b: Mode): boolean {
  return a === 'exclusive' || b === 'exclusive';
}

export function takenAway(tenure: Tenure | undefined): Of<'ended'> | undefined {
  return tenure?.ended?.by === 'revoked' || tenure?.ended?.by === 'stolen' ? tenure.ended : undefined;
}

export function group<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const list = groups.get(key(item));
    if (list === undefined) groups.set(key(item), [item]);
    else list.push(item);
  }
  return groups;
}

function readTenures({ events, promises }: History): Tenure[] {
  const tenures: Tenure[] = [];
  const byOwner = new Map<string, Tenure[]>();
  for (const event of events) {
    if (event.type === 'minted') {
      const { owner, process, name, mode, first, last, ttlMs } = event;
      const tenure: Tenure = { owner, process, name, mode, first, last, ttlMs, minted: event, until: [], ended: undefined };
      tenures.push(tenure);
      const before = byOwner.get(owner) ?? [];
      // Granted once more after the store forgot it: its holder knows only of one.
      for (const it of before) if (!promises.durable && it.ended === undefined) it.until.push(event);
      byOwner.set(owner, promises.durable ? [tenure] : [...before, tenure]);
    } else if (event.type === 'extended') {
      for (const it of byOwner.get(event.owner) ?? []) {
        // A replica that lagged brings back what had been ended.
        if (!promises.durable) it.ended = undefined;
        if (it.ended === undefined) it.until.push(event);
      }
    } else if (event.type === 'ended') {
      const tenure = byOwner.get(event.owner)?.at(-1);
      if (tenure !== undefined) tenure.ended = event;
    }
  }
  return tenures;
}

function readTurns(events: readonly HistoryEvent[], byName: Map<string, Tenure[]>): Turn[] {
  const turns = new Map<string, Turn>();
  for (const event of events) {
    if (event.type === 'requested') {
      turns.set(event.op, newTurn(event));
      continue;
    }
    if (!('op' in event)) continue;
    const turn = turns.get(event.op);
    if (turn === undefined) continue;
    if (event.type === 'started') begin(turn, event, byName);
    else if (event.type === 'touched') turn.touched.push(event);
    else if (event.type === 'signalled') turn.signalled ??= event;
    else if (event.type === 'worked') turn.worked = event;
    else if (event.type === 'settled') turn.settled = event;
  }
  return [...turns.values()];
}

function newTurn(requested: Of<'requested'>): Turn {
  const { op } = requested;
  return {
    op,
    requested,
    started: undefined,
    tenure: undefined,
    touched: [],
    signalled: undefined,
    worked: undefined,
    settled: undefined,
  };
}

function begin(turn: Turn, started: Of<'started'>, byName: Map<string, Tenure[]>): void {
  turn.started = started;
  const { fence } = started;
  if (fence === undefined) return;
  // The latest: after a loss of data a fence that went back could fall into an old range too.
  turn.tenure = byName
    .get(turn.requested.name)
    ?.filter((it) => it.process === started.process && it.first <= fence && fence <= it.last && it.minted.index < started.index)
    .at(-1);
}
