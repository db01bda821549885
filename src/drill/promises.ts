/** What is held up to a store, with the place of docs/guarantees.md that says so. */
export interface Promised {
  readonly id: string;
  readonly title: string;
  /** A heading of docs/guarantees.md. */
  readonly anchor: string;
}

function promised(id: string, title: string, anchor: string): Promised {
  return { id, title, anchor };
}

export const promises = {
  exclusion: promised('exclusion', 'one holder at a time', 'exclusion-of-belief'),
  owed: promised('owed', 'no early hand-over', 'early-ends'),
  clocks: promised('clocks', 'steps of the clock', 'early-ends'),
  loss: promised('loss', 'losses told in time', 'loss-in-time'),
  fences: promised('fences', 'rising fences', 'fences'),
  stale: promised('stale', 'what is over has no effect', 'calls-that-come-too-late'),
  replaced: promised('replaced', 'the next one follows', 'holders-that-fall-silent'),
  freed: promised('freed', 'a release frees the name', 'release-after-the-work-and-not-before'),
  turns: promised('turns', 'everybody gets a turn', 'everybody-gets-a-turn'),
  sink: promised('sink', 'stale writes refused', 'what-no-store-can-give'),
} as const satisfies Record<string, Promised>;
