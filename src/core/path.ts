import { AsyncLocalStorage } from 'node:async_hooks';
import type { Mode } from './backend.js';
import { soon } from './clock.js';
import type { LockName } from './name.js';

/** One callback that is running under a lock, and the ones around it. */
export interface Path {
  readonly name: LockName;
  readonly mode: Mode;
  /** Whose lock it is: one async context may run under locks of several instances. */
  readonly instance: Paths;
  /** Where the request was made. */
  readonly stack: string;
  parent: Path | undefined;
  /** Whether it holds the name: false for `null` of `ifAvailable`, and after a loss. */
  holds: boolean;
  /** See `begin` and `end`. */
  running: boolean;
}

export interface Suspicion {
  readonly because: 'reentry' | 'order';
  readonly otherName: string;
  readonly otherStack: string;
}

interface Edge {
  readonly stack: string;
  readonly name: string;
  count: number;
}

/**
 * One for all instances: in Node 20 each storage that is in use slows every promise of the process down. It holds nothing by
 * itself; the paths hang on the async contexts.
 */
const innermost = new AsyncLocalStorage<Path>();

/** How many paths run, of all instances. */
let running = 0;
let restPlanned = false;

/** Its callback begins. */
export function begin(path: Path): void {
  path.running = true;
  running += 1;
}

/** Its callback is over: async work that outlives it holds nothing. */
export function end(path: Path): void {
  path.holds = false;
  path.running = false;
  running -= 1;
  if (running > 0 || restPlanned) return;
  restPlanned = true;
  // Not at once: the next turn may begin right away, and to switch costs more than a turn.
  soon(rest);
}

/** While nothing runs under a lock there is nothing to find: nobody's promises need pay for it. */
function rest(): void {
  restPlanned = false;
  if (running === 0) innermost.disable();
}

/**
 * Which names the running async context holds, and in which order living paths take names.
 *
 * Two paths that take names in contradicting orders can wait for each other for ever; the order is a graph of
 * "held → asked for", and a cycle in it is the suspicion. (Coffman et al., "System Deadlocks", 1971.)
 */
export class Paths {
  /** The innermost path of any instance: what runs inside hangs below it. */
  parent(): Path | undefined {
    const nearest = nearestRunning(innermost.getStore());
    // Cut out those that are over, or a loop that asks from inside its own callback would grow a chain for ever.
    for (let path = nearest; path !== undefined; path = path.parent) path.parent = nearestRunning(path.parent);
    return nearest;
  }

  /** held → asked for, among paths that live. */
  readonly #order = new Map<string, Map<string, Edge>>();

  /** The innermost living path of this instance in this async context. */
  current(): Path | undefined {
    return this.#nextLiving(innermost.getStore());
  }

  run<A, T>(path: Path, work: (argument: A) => T, argument: A): T {
    return innermost.run(path, work, argument);
  }

  #nextLiving(path: Path | undefined): Path | undefined {
    let next = path;
    while (next !== undefined && !(next.running && next.instance === this)) next = next.parent;
    return next;
  }

  /** The living path of this context that waiting for `name` would wait for. Shared inside shared is no conflict. */
  reentered(name: LockName, mode: Mode): Path | undefined {
    for (let path = this.current(); path !== undefined; path = this.#nextLiving(path.parent)) {
      if (!path.holds) continue;
      const both = path.mode === 'shared' && mode === 'shared';
      if (path.name.encoded === name.encoded && !both) return path;
    }
    return undefined;
  }

  /** Notes that this context, holding what it holds, asks for `name`. The function returned takes the note back. */
  asking(name: LockName, stack: string): { suspicion: Suspicion | undefined; done: () => void } {
    const from: string[] = [];
    let suspicion: Suspicion | undefined;
    for (let path = this.current(); path !== undefined; path = this.#nextLiving(path.parent)) {
      if (!path.holds || path.name.encoded === name.encoded) continue;
      suspicion ??= this.#contradiction(name.encoded, path.name.encoded);
      from.push(path.name.encoded);
      this.#add(path.name.encoded, name, stack);
    }
    return { suspicion, done: () => this.#forget(from, name.encoded) };
  }

  /** A living path from `asked` to `held`: somebody holds the first and asks for the second. */
  #contradiction(asked: string, held: string): Suspicion | undefined {
    const seen = new Set<string>();
    const open: { at: string; first: Edge | undefined }[] = [{ at: asked, first: undefined }];
    for (let step = open.pop(); step !== undefined; step = open.pop()) {
      if (step.at === held && step.first !== undefined) {
        return { because: 'order', otherName: step.first.name, otherStack: step.first.stack };
      }
      if (seen.has(step.at)) continue;
      seen.add(step.at);
      for (const [to, edge] of this.#order.get(step.at) ?? []) open.push({ at: to, first: step.first ?? edge });
    }
    return undefined;
  }

  #add(held: string, asked: LockName, stack: string): void {
    let edges = this.#order.get(held);
    if (edges === undefined) {
      edges = new Map();
      this.#order.set(held, edges);
    }
    const edge = edges.get(asked.encoded);
    if (edge === undefined) edges.set(asked.encoded, { stack, name: asked.text, count: 1 });
    else edge.count += 1;
  }

  #forget(from: readonly string[], asked: string): void {
    for (const held of from) this.#remove(held, asked);
  }

  #remove(held: string, asked: string): void {
    const edges = this.#order.get(held);
    const edge = edges?.get(asked);
    if (edges === undefined || edge === undefined) return;
    edge.count -= 1;
    if (edge.count > 0) return;
    edges.delete(asked);
    if (edges.size === 0) this.#order.delete(held);
  }
}

function nearestRunning(path: Path | undefined): Path | undefined {
  let next = path;
  while (next !== undefined && !next.running) next = next.parent;
  return next;
}
