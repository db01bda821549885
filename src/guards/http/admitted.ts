import type { Fencing } from './receiver.js';

const admitted = new WeakMap<object, Fencing>();

/**
 * The fence that was let in with this request (Hono: context), for a guard in the handler's own transaction. Undefined for one
 * without.
 */
export function fencingOf(request: object): Fencing | undefined {
  return admitted.get(request);
}

export function rememberFencing(request: object, fencing: Fencing): void {
  admitted.set(request, fencing);
}
