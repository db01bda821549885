import type { Mode } from '../../core/backend.js';
import type { NameKeys, Range } from './keys.js';
import { type Compare, relation, target } from './wire/messages.js';

// Conditions of transactions. A range of keys is compared key by key; an empty one is compared as a key that is not there.

export function isAbsent(key: string): Compare {
  return { key, target: target.created, result: relation.equal, createRevision: 0 };
}

export function isPresent(key: string): Compare {
  return { key, target: target.created, result: relation.greater, createRevision: 0 };
}

export function isSince(key: string, createRevision: number): Compare {
  return { key, target: target.created, result: relation.equal, createRevision };
}

/** 0: it is not there. */
export function isModifiedAt(key: string, modRevision: number): Compare {
  return { key, target: target.modified, result: relation.equal, modRevision };
}

/** A key that is not there has no value, not even an empty one. */
export function hasValue(key: string, value: string): Compare {
  return { key, target: target.value, result: relation.equal, value };
}

function isEmpty(range: Range): Compare {
  return { ...range, target: target.created, result: relation.equal, createRevision: 0 };
}

/** No key of the range is younger. */
export function isOlder(range: Range, createRevision: number): Compare {
  return { ...range, target: target.created, result: relation.less, createRevision: createRevision + 1 };
}

/** All keys are younger; and there is at least one. */
function isYounger(range: Range, createRevision: number): Compare {
  return { ...range, target: target.created, result: relation.greater, createRevision };
}

/** A newcomer is granted what nobody holds and nobody waits for. */
export function freeForAll(keys: NameKeys, mode: Mode): readonly Compare[] {
  if (mode === 'exclusive') return [isEmpty(keys.all)];
  return [isEmpty(keys.heldBy('exclusive')), isEmpty(keys.queuedFor('exclusive'))];
}

/**
 * Whoever waits is granted what nobody holds when nobody is in front: nobody at all, or for a reader no writer.
 *
 * @param writersWait whether there are any, behind a reader: an empty range has no youngest key
 */
export function freeFor(keys: NameKeys, mode: Mode, id: string, at: number, writersWait: boolean): readonly Compare[] {
  const stillWaits = isSince(keys.place(mode, id), at);
  if (mode === 'exclusive') return [stillWaits, isEmpty(keys.held), isYounger(keys.queue, at - 1)];
  const writers = keys.queuedFor('exclusive');
  return [stillWaits, isEmpty(keys.heldBy('exclusive')), writersWait ? isYounger(writers, at) : isEmpty(writers)];
}
