/** What has to be ended or removed, last come first served; also when the program fails or is interrupted. */
export class Cleanup {
  #steps = [];
  #running;

  defer(step) {
    this.#steps.push(step);
  }

  /** Every step is tried, whatever the others do. May be called again. */
  run() {
    this.#running ??= this.#all();
    return this.#running;
  }

  async #all() {
    for (const step of this.#steps.reverse()) {
      try {
        await step();
      } catch (error) {
        console.error(error);
      }
    }
  }
}
