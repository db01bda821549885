import type process from 'node:process';

/** In the environment of a run inside another: the names that the outer ones hold, and with which fences, as JSON. */
const outer = 'HOLDFAST_OUTER_LOCKS';
/** A chain of jobs, each of which starts the next, must not outgrow the environment. */
const outerCharsMax = 16_384;

type Lock = readonly [name: string, fence: string];

/** What this process itself runs under, the innermost last. */
export function locksAbove({ [outer]: text, HOLDFAST_NAME: name, HOLDFAST_FENCE: fence }: typeof process.env): readonly Lock[] {
  const above = parsed(text);
  return name === undefined || fence === undefined ? above : [...above, [name, fence]];
}

/** What a command finds in its environment, so that a run inside of it knows that it would wait for its own end. */
export function outerLocks(env: typeof process.env): Record<string, string> {
  let locks = locksAbove(env);
  while (JSON.stringify(locks).length > outerCharsMax) locks = locks.slice(1);
  return locks.length === 0 ? {} : { [outer]: JSON.stringify(locks) };
}

function parsed(text: string | undefined): readonly Lock[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter(isLock) : [];
  } catch {
    // Somebody else's.
    return [];
  }
}

function isLock(value: unknown): value is Lock {
  return Array.isArray(value) && value.length === 2 && value.every((word) => typeof word === 'string');
}
