import { Calls, messageOf } from '../core/calls.js';
import { systemPorts } from '../core/clock.js';
import { BackendUnavailableError, HoldfastError, InvalidArgumentError, OutcomeUnknownError } from '../core/errors.js';
import { limits } from '../core/limits.js';

const commandTimeoutMsDefault = 5_000;

/** The deadlines of a guard's own calls to its sink, and what their failures mean. What the work does has none. */
export class SinkCalls {
  readonly #sink: string;
  readonly #timeoutMs: number;
  readonly #calls = new Calls(systemPorts());

  constructor(sink: string, timeoutMs: number = commandTimeoutMsDefault) {
    if (!Number.isFinite(timeoutMs) || timeoutMs < limits.callTimeoutMsMin || timeoutMs > limits.durationMsMax) {
      throw new InvalidArgumentError(
        `commandTimeoutMs is ${String(timeoutMs)}: give a number of milliseconds from ${limits.callTimeoutMsMin} to ${limits.durationMsMax}`,
      );
    }
    this.#sink = sink;
    this.#timeoutMs = timeoutMs;
  }

  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** A call after which nothing stands written yet, whatever became of it. @throws BackendUnavailableError, or what of the call is ours */
  before<T>(doing: string, call: () => Promise<T>): Promise<T> {
    return this.#within(doing, call, () => true);
  }

  /** The deadline alone: in a transaction of the application, whose errors are its own. @throws BackendUnavailableError when it is over */
  async inside<T>(doing: string, call: () => Promise<T>): Promise<T> {
    let answered = false;
    try {
      return await this.#calls.promise(this.#timeoutMs, `${this.#sink}: ${doing}`, () =>
        call().finally(() => {
          answered = true;
        }),
      );
    } catch (error) {
      if (answered) throw error;
      throw this.unavailable(doing, error, 'close the connection, which ends its transaction, and try again');
    }
  }

  /**
   * A call that may have been done although it failed.
   *
   * @param isRefusal whether the sink itself said no, so that nothing was written
   * @throws OutcomeUnknownError, BackendUnavailableError
   */
  writing<T>(doing: string, call: () => Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T> {
    return this.#within(doing, call, isRefusal);
  }

  async #within<T>(doing: string, call: () => Promise<T>, isRefusal: (error: unknown) => boolean): Promise<T> {
    try {
      return await this.#calls.promise(this.#timeoutMs, `${this.#sink}: ${doing}`, call);
    } catch (error) {
      if (error instanceof HoldfastError && !(error instanceof OutcomeUnknownError)) throw error;
      if (isRefusal(error)) throw this.unavailable(doing, error);
      if (error instanceof OutcomeUnknownError) throw error;
      const message = `${this.#sink} gave no answer while ${doing}: ${messageOf(error)}: it may or may not have been done; look, or run it again under the same fence`;
      throw new OutcomeUnknownError(message, { cause: error });
    }
  }

  unavailable(doing: string, cause: unknown, fix = 'check that it is reachable, and run it again'): BackendUnavailableError {
    // An error of ours says itself what to do.
    const advice = cause instanceof HoldfastError ? '' : `: ${fix}`;
    return new BackendUnavailableError(
      `${this.#sink} failed while ${doing}, and nothing was written: ${messageOf(cause)}${advice}`,
      { cause },
    );
  }
}
