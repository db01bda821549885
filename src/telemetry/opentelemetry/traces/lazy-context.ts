import type { Context } from '@opentelemetry/api';

/** A context that is made when somebody looks into it: most callbacks do not. */
export class LazyContext implements Context {
  /** What makes it is let go of when it is made: contexts outlive requests, and one that is made inside another keeps that. */
  #context: Context | (() => Context);

  constructor(make: () => Context) {
    this.#context = make;
  }

  get #whole(): Context {
    if (typeof this.#context === 'function') this.#context = this.#context();
    return this.#context;
  }

  getValue(key: symbol): unknown {
    return this.#whole.getValue(key);
  }

  setValue(key: symbol, value: unknown): Context {
    return this.#whole.setValue(key, value);
  }

  deleteValue(key: symbol): Context {
    return this.#whole.deleteValue(key);
  }
}
