import type { Member } from './member.js';

/** What became of one request of many. */
export type Said<T> =
  | { readonly member: Member; readonly ok: true; readonly value: T }
  | { readonly member: Member; readonly ok: false; readonly error: unknown };

/**
 * Asks members at once, and settles with the first decision: stragglers are not waited for. `decide` is called before the
 * first answer and after each, with those that came so far; when `pending` is 0 it must decide. `ask` calls one of its two
 * functions back, never at once.
 */
export function poll<T, D>(
  members: readonly Member[],
  ask: (member: Member, answered: (value: T) => void, failed: (error: unknown) => void) => void,
  decide: (said: readonly Said<T>[], pending: number) => D | undefined,
  after: (said: Said<T>) => void = () => {},
): Promise<D> {
  return new Promise((resolve, reject) => {
    const said: Said<T>[] = [];
    let pending = members.length;
    let decided = false;
    const look = () => {
      if (decided) return;
      try {
        const decision = decide(said, pending);
        if (decision === undefined) return;
        decided = true;
        resolve(decision);
      } catch (error) {
        decided = true;
        reject(error);
      }
    };
    const add = (answer: Said<T>) => {
      pending -= 1;
      said.push(answer);
      after(answer);
      look();
    };
    for (const member of members) {
      ask(
        member,
        (value) => add({ member, ok: true, value }),
        (error) => add({ member, ok: false, error }),
      );
    }
    look();
  });
}
