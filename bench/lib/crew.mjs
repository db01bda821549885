import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const workerFile = fileURLToPath(new URL('./worker.mjs', import.meta.url));

/** Processes of one contender. They live through all rounds of a work and idle while another contender has its turn. */
export class Crew {
  #members;

  constructor(members) {
    this.#members = members;
  }

  /** Starts `processes` workers on the contender module and waits until each has opened its store. */
  static async hire(contender, processes, options) {
    const members = Array.from({ length: processes }, () => new Member(contender, options));
    try {
      await Promise.all(members.map((member) => member.hear()));
    } catch (error) {
      for (const member of members) member.kill();
      throw error;
    }
    return new Crew(members);
  }

  /** One task for all: every process starts it at the same moment. Resolves with one result per process. */
  async run(task) {
    const startAt = Date.now() + 30;
    return Promise.all(this.#members.map((member, index) => member.ask({ ...task, startAt, member: index })));
  }

  async dismiss() {
    await Promise.all(this.#members.map((member) => member.dismiss()));
  }

  kill() {
    for (const member of this.#members) member.kill();
  }
}

class Member {
  #child;
  #label;

  constructor(contender, options) {
    this.#label = contender.label;
    // --expose-gc: heap per lease is a difference of two collected heaps.
    this.#child = fork(workerFile, [contender.module, JSON.stringify(options)], { execArgv: ['--expose-gc'] });
  }

  async ask(task) {
    const answer = this.hear();
    this.#child.send(task);
    return answer;
  }

  /** The next message; an exit before it is a fault of the contender. */
  async hear() {
    const abort = new AbortController();
    const gone = once(this.#child, 'exit', abort).then(([code, signal]) => {
      throw new Error(`a process of ${this.#label} ended early (${signal ?? code})`);
    });
    const said = once(this.#child, 'message', abort).then(([message]) => message);
    gone.catch(() => {});
    said.catch(() => {});
    try {
      const message = await Promise.race([said, gone]);
      if (message.error !== undefined) throw new Error(`${this.#label}: ${message.error}`);
      return message.result;
    } finally {
      abort.abort();
    }
  }

  async dismiss() {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.send({ kind: 'close' });
    await gone;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}
