import type { Mode } from './backend.js';
import { show } from './checks.js';
import { InvalidArgumentError, NotSupportedError } from './errors.js';

/** A dictionary in the sense of Web IDL: undefined and null stand for an empty one, other non-objects are a TypeError. */
function dictionary(options: unknown): Record<string, unknown> {
  if (options === undefined || options === null) return {};
  if (typeof options !== 'object' && typeof options !== 'function') {
    throw typeError(`the options are ${show(options)}: give an object`);
  }
  return options as Record<string, unknown>;
}

/** The `TypeError` that Web IDL names, with ours as its cause. */
export function typeError(message: string): TypeError {
  return new TypeError(message, { cause: new InvalidArgumentError(message) });
}

/** The `DOMException` that the specification names, with ours as its cause. */
export function domException(name: string, cause: Error): DOMException {
  return new DOMException(cause.message, { name, cause });
}

/** What the specification calls a request that makes no sense. */
export function refusal(message: string): DOMException {
  return domException('NotSupportedError', new NotSupportedError(message));
}

/** The members of the specification's `LockOptions`, converted; ours are still as given. */
export interface ConvertedOptions {
  readonly given: Record<string, unknown>;
  readonly ifAvailable: boolean;
  readonly mode: Mode;
  readonly signal: AbortSignal | undefined;
  readonly steal: boolean;
}

/** No options given, which is the common case. */
export const noOptions: ConvertedOptions = {
  given: Object.freeze({}),
  ifAvailable: false,
  mode: 'exclusive',
  signal: undefined,
  steal: false,
};

/**
 * What Web IDL does before the first step of `request()`: members in the order of their names.
 *
 * @throws TypeError
 */
export function convertOptions(options: unknown): ConvertedOptions {
  if (options === undefined) return noOptions;
  const given = dictionary(options);
  const ifAvailable = Boolean(given['ifAvailable']);
  const mode = checkedMode(given['mode']);
  const signal = checkedSignal(given['signal']);
  const steal = Boolean(given['steal']);
  return { given, ifAvailable, mode, signal, steal };
}

/**
 * The checks of `request()` in the order of its steps (w3.org/TR/web-locks, 4.1).
 *
 * @throws DOMException `NotSupportedError`, or the signal's reason
 */
export function refuseAsSpecified(name: string, { ifAvailable, mode, signal, steal }: ConvertedOptions): void {
  if (name.startsWith('-')) throw refusal(`a lock name may not start with "-": ${show(name)}`);
  if (steal && ifAvailable) throw refusal('steal and ifAvailable exclude each other: choose one');
  if (steal && mode !== 'exclusive') throw refusal('only an exclusive lock can be stolen: leave out mode');
  if (signal !== undefined && (steal || ifAvailable)) {
    throw refusal('signal needs a request that waits: leave out steal and ifAvailable');
  }
  if (signal?.aborted === true) throw signal.reason;
}

/** @throws TypeError */
export function convertCallback<C>(value: unknown): C {
  if (typeof value !== 'function') {
    throw typeError(`the callback is ${typeof value}, not a function: pass what is to run under the lock`);
  }
  return value as C;
}

function checkedMode(value: unknown): Mode {
  if (value === undefined) return 'exclusive';
  const mode = String(value);
  if (mode === 'exclusive' || mode === 'shared') return mode;
  throw typeError(`mode is ${show(mode)}: use "exclusive" or "shared"`);
}

function checkedSignal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined;
  if (value instanceof AbortSignal) return value;
  throw typeError('signal is not an AbortSignal: pass the signal of an AbortController');
}
