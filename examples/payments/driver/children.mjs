import { fork } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A process of the example: what it says goes into a log of its own. */
export class Child {
  #process;
  #asked = false;
  #crashed;

  /**
   * Starts a file of the example, and waits until it has said that it is ready.
   *
   * @param crashed is told when it ends although nobody asked it to
   */
  static async start(file, settings, { folder, name, crashed = () => {} }) {
    const child = new Child();
    child.#crashed = () => child.#asked || crashed();
    const log = openSync(join(folder, `${name}.log`), 'a');
    const path = fileURLToPath(new URL(`../${file}`, import.meta.url));
    child.#process = fork(path, [JSON.stringify(settings)], { stdio: ['ignore', log, log, 'ipc'] });
    // The last resort: one that is frozen cannot see that we are gone.
    const kill = () => child.#process.kill('SIGKILL');
    process.once('exit', kill);
    child.#process.once('exit', () => process.off('exit', kill));
    const ended = once(child.#process, 'exit').then(() => {
      throw new Error(`${name} did not start: see ${name}.log in ${folder}`);
    });
    [child.ready] = await Promise.race([once(child.#process, 'message'), ended]);
    ended.catch(() => {});
    child.#process.once('exit', () => child.#crashed());
    return child;
  }

  get pid() {
    return this.#process.pid;
  }

  get lives() {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  signal(signal) {
    if (this.lives) this.#process.kill(signal);
  }

  /** Ends it and waits until it is gone. */
  async end(signal = 'SIGKILL') {
    if (!this.lives) return;
    const gone = once(this.#process, 'exit');
    this.#asked = true;
    this.#process.kill(signal);
    await gone;
  }
}
