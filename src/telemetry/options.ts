import { refuseUnknown, show } from '../core/checks.js';
import { InvalidArgumentError } from '../core/errors.js';

/** @throws InvalidArgumentError */
export function checkedMetricsOptions(options: object, known: readonly string[]): void {
  refuseUnknown(options, known);
  const { groupOf } = options as { groupOf?: unknown };
  if (groupOf === undefined || typeof groupOf === 'function') return;
  throw new InvalidArgumentError(`groupOf is ${show(groupOf)}: give a function of a lock's name`);
}
