import type { Turn } from '../turn.js';

const turns = new WeakMap<object, Turn>();

/** The turn under which the handler of this request (Hono: context) runs. Undefined where the request is not protected. */
export function turnOf(request: object): Turn | undefined {
  return turns.get(request);
}

/** Also as `request.idempotency`. */
export function remember(request: { idempotency?: Turn | null | undefined }, turn: Turn): void {
  turns.set(request, turn);
  request.idempotency = turn;
}

/** Where nothing is to be added to the object. */
export function rememberAside(request: object, turn: Turn): void {
  turns.set(request, turn);
}
