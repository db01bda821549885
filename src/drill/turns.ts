import type { Note } from './protocol.js';

/** One ask of a worker and what came of it. */
export interface Turn {
  readonly worker: string;
  readonly turn: number;
  askedMs: number;
  waitingMs: number | undefined;
  /** The first touch gave a fence. */
  granted: { readonly atMs: number; readonly fence: bigint } | undefined;
  /** Touches that found the lease held: read before each of them, and until when the lease was owed at least. */
  readonly held: { readonly atMs: number; readonly owedUntilMs: number }[];
  /** Touches that found it lost. */
  readonly refused: { readonly atMs: number; readonly aborted: boolean }[];
  lost: { readonly atMs: number; readonly loss: string; readonly lagMs: number } | undefined;
  releasingMs: number | undefined;
  readonly writes: { readonly atMs: number; readonly fence: bigint; readonly mark: bigint; readonly accepted: boolean }[];
  /** Its process was killed, or an operator ended the hold: from then on nothing is owed to it. */
  endedMs: number | undefined;
}

/** What a history says, turn by turn, in the order in which they were granted; those that were not come last. */
export function turnsOf(notes: readonly Note[]): readonly Turn[] {
  const turns = new Map<string, Turn>();
  const turnOf = (worker: string, turn: number): Turn => {
    const key = `${turn} ${worker}`;
    const found = turns.get(key) ?? emptyTurn(worker, turn);
    turns.set(key, found);
    return found;
  };
  for (const note of notes) {
    if ('turn' in note) take(turnOf(note.worker, note.turn), note);
    if (note.type !== 'killed' && note.type !== 'revoked') continue;
    for (const turn of turns.values()) if (turn.worker === note.worker) turn.endedMs ??= note.atMs;
  }
  return [...turns.values()].sort((a, b) => (a.granted?.atMs ?? Infinity) - (b.granted?.atMs ?? Infinity));
}

function emptyTurn(worker: string, turn: number): Turn {
  const nothing = { waitingMs: undefined, granted: undefined, lost: undefined, releasingMs: undefined, endedMs: undefined };
  return { worker, turn, askedMs: 0, held: [], refused: [], writes: [], ...nothing };
}

function take(turn: Turn, note: Extract<Note, { turn: number }>): void {
  const { atMs } = note;
  if (note.type === 'asked') turn.askedMs = atMs;
  if (note.type === 'waiting') turn.waitingMs ??= atMs;
  if (note.type === 'granted') turn.granted = { atMs, fence: BigInt(note.fence) };
  if (note.type === 'lost') turn.lost = { atMs, loss: note.loss, lagMs: note.lagMs };
  if (note.type === 'releasing') turn.releasingMs = atMs;
  if (note.type === 'sank') {
    turn.writes.push({ atMs, fence: BigInt(note.fence), mark: BigInt(note.mark), accepted: note.accepted });
  }
  if (note.type !== 'touched') return;
  if (note.held) turn.held.push({ atMs, owedUntilMs: atMs + note.remainingMs });
  else turn.refused.push({ atMs, aborted: note.aborted });
}
