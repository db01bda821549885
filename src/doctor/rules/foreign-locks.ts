import type { ForeignLock } from '../../core/examination.js';
import { roughDuration } from '../../core/rough-duration.js';
import { type Facts, present } from '../facts.js';
import type { Rule, Verdict } from '../verdict.js';

/** Another library has it: Holdfast waits until it is gone. */
export const foreignLock: Rule = (facts) =>
  present(facts).examination.foreign.flatMap((lock): Verdict[] => {
    const ends = endOf(lock);
    if (ends === undefined) return [];
    return [
      {
        id: 'foreign-lock',
        severity: 'warning',
        summary: `${ownerOf(lock)} holds it; it ends ${ends}`,
        evidence: [`${lock.key} holds ${lock.shape}`, 'such a lock says nothing of its holder: ask whoever runs that code'],
        next: [
          { why: 'see it', command: lock.look },
          { why: 'only if its holder is gone: take it away, if it is still the same', command: lock.remove },
        ],
      },
    ];
  });

/** It has no end. Seen twice: some libraries set the end a moment later. */
export const noTtl: Rule = (facts) =>
  present(facts).examination.foreign.flatMap((lock): Verdict[] => {
    if (endOf(lock) !== undefined || !wasThere(lock, facts)) return [];
    return [
      {
        id: 'no-ttl',
        severity: 'critical',
        summary: `${ownerOf(lock)} holds it without a TTL: nothing will ever free it`,
        evidence: [
          `${lock.key} holds ${lock.shape}, and has no end`,
          'whoever crashes with such a lock leaves it behind for good',
        ],
        next: [
          { why: 'if its holder is gone: take it away, if it is still the same', command: lock.remove },
          { why: 'see it', command: lock.look },
        ],
      },
    ];
  });

/** Undefined: never. */
function endOf({ expiresInMs, endsWith }: ForeignLock): string | undefined {
  if (expiresInMs !== undefined) return `by itself in ${roughDuration(expiresInMs)} unless that is renewed`;
  return endsWith === undefined ? undefined : `with ${endsWith}`;
}

function ownerOf({ library }: ForeignLock): string {
  if (library === 'holdfast') return 'Holdfast';
  return library === undefined ? 'a lock of another library' : `a lock that looks like ${library}'s`;
}

function wasThere(lock: ForeignLock, { looks }: Facts): boolean {
  const before = looks.at(-2);
  return before?.examination.foreign.some((each) => each.key === lock.key && endOf(each) === undefined) ?? false;
}
