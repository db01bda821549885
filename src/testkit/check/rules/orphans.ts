import { type Model, overAtMs } from '../model.js';
import type { Rule } from '../rule.js';

/** A node that can be reached again is told by then what it missed: the longest pause between two tries, and a try. */
const quietMs = 1_600;

export const orphans: Rule = {
  name: 'orphan',
  promise: 'A vote that came to nothing is taken back from its node; it is not forgotten there until its TTL is over.',
  *find(model) {
    const told = new Set(model.turns.flatMap(({ signalled, tenure }) => (signalled === undefined ? [] : [tenure?.owner])));
    const lastSentMs = new Map(model.of('sent').map((event) => [event.owner, event.atMs]));
    const closingMs = new Map(model.of('closing').map((event) => [event.process, event.atMs]));
    for (const { node, process, name, owner, copy, index, atMs } of model.of('lapsed')) {
      const goneMs = Math.min(model.diedAtMs.get(process) ?? Infinity, closingMs.get(process) ?? Infinity);
      // Whoever lost its lease is judged by other rules, and nobody can take back what a stray copy brings.
      if (copy || goneMs < atMs || told.has(owner) || (lastSentMs.get(owner) ?? 0) > atMs) continue;
      if (isHeld(model, name, owner, atMs) || wasDisturbed(model, node, process, atMs)) continue;
      yield { index, what: `${owner} left its vote for ${name} on node ${node} until it ran out` };
    }
  },
};

/** It has the lock by the votes of others: this one could not be renewed, or was not needed. */
function isHeld(model: Model, name: string, owner: string, atMs: number): boolean {
  return model.tenuresOf(name).some((it) => it.owner === owner && it.minted.atMs <= atMs && overAtMs(it) >= atMs);
}

function wasDisturbed(model: Model, node: number, process: string, atMs: number): boolean {
  const places = [process, `node ${node}`, `${process}>n${node}`];
  const faults = places.flatMap((place) => model.disturbed(place, atMs - quietMs, atMs));
  return faults.some((fault) => fault.node === undefined || fault.node === node);
}
