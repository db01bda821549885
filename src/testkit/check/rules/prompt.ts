import { group, overAtMs, takenAway } from '../model.js';
import type { Rule } from '../rule.js';

/** A wake-up, two asks and their answers on a healthy network, and what a loop needs besides. */
function handoverMs(latencyMs: number): number {
  return 30 + 6 * latencyMs;
}

export const prompt: Rule = {
  name: 'prompt',
  promise: 'Where nothing fails, a free lock does not stay free while someone waits: a wake-up, or at worst one poll.',
  *find(model) {
    const { calm, push, queue, pollMs, latencyMs } = model.history.promises;
    if (!calm) return;
    // Without places in a queue, backoff with jitter may take a little longer than a poll.
    const boundMs = handoverMs(latencyMs) + (push && queue ? 0 : pollMs * 1.5);
    // Who waits behind a hold that was stolen from its own process asks anew only when that process hears of it.
    const takenFrom = new Set(model.tenures.flatMap((it) => (takenAway(it) === undefined ? [] : [it.name])));
    const tenuresByName = group(model.tenures, (it) => it.name);
    for (const turn of model.turns) {
      const { requested, started, settled } = turn;
      if (!requested.patient || takenFrom.has(requested.name)) continue;
      const endMs = started?.atMs ?? settled?.atMs ?? model.history.events.at(-1)?.atMs ?? 0;
      let freeSinceMs = requested.atMs;
      for (const tenure of tenuresByName.get(requested.name) ?? []) {
        if (tenure.minted.atMs > endMs) break;
        if (tenure.minted.atMs - freeSinceMs > boundMs) break;
        freeSinceMs = Math.max(freeSinceMs, overAtMs(tenure));
      }
      const idleMs = Math.min(endMs, nextMint(tenuresByName.get(requested.name) ?? [], freeSinceMs)) - freeSinceMs;
      if (idleMs > boundMs) {
        yield {
          index: (started ?? settled ?? requested).index,
          what: `${turn.op} waited while ${requested.name} was free for ${Math.round(idleMs)} ms`,
        };
      }
    }
  },
};

function nextMint(tenures: readonly { readonly minted: { readonly atMs: number } }[], afterMs: number): number {
  return tenures.find((tenure) => tenure.minted.atMs > afterMs)?.minted.atMs ?? Number.POSITIVE_INFINITY;
}
