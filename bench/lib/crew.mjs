import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** `HOLDFAST_BENCH_PROFILE=folder`: one profile per process, to see where the time goes. */
const profileFolder = process.env.HOLDFAST_BENCH_PROFILE;
const profiling = profileFolder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profileFolder}`];

const workerFile = fileURLToPath(new URL('./worker.mjs', import.meta.url));

/** Processes of one contender. They live through all rounds of a work and idle while another contender has its turn. */
export class Crew {
  #members;

  constructor(members) {
    this.#members = members;
  }

  /** Starts `processes` workers on the contender module and waits until each has opened its store. */
  static async hire(contender, processes, options, withinMs) {
    const members = Array.from({ length: processes }, () => new Member(contender, options));
    try {
      await within(withinMs, Promise.all(members.map((member) => member.hear())));
    } catch (error) {
      for (const member of members) member.kill();
      throw error;
    }
    return new Crew(members);
  }

  /**
   * One task for all: every process starts it at the same moment. Resolves with one result per process, rejects if one
   * needs longer than its task and the grace.
   */
  async run(task, graceMs) {
    const startAt = Date.now() + 30;
    const asked = this.#members.map((member, index) => member.ask({ ...task, startAt, member: index }));
    return within((task.durationMs ?? task.settleMs + task.windowMs) + graceMs, Promise.all(asked));
  }

  async dismiss() {
    await Promise.all(this.#members.map((member) => member.dismiss()));
  }

  kill() {
    for (const member of this.#members) member.kill();
  }
}

async function within(ms, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${Math.round(ms / 1000)} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

class Member {
  #child;
  #complaint = '';

  constructor(contender, options) {
    // --expose-gc: heap per lease is a difference of two collected heaps.
    const execArgv = ['--expose-gc', ...profiling];
    const stdio = ['ignore', 'ignore', 'pipe', 'ipc'];
    this.#child = fork(workerFile, [contender.module, JSON.stringify(options)], { execArgv, stdio });
    // A contender's warnings are not ours to print; its last words say why it died.
    this.#child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#complaint = `${this.#complaint}${text}`.slice(-10_000);
    });
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
      throw new Error(`a process ended early (${signal ?? code}): ${errorIn(this.#complaint)}`);
    });
    const said = once(this.#child, 'message', abort).then(([message]) => message);
    gone.catch(() => {});
    said.catch(() => {});
    try {
      const message = await Promise.race([said, gone]);
      if (message.error !== undefined) throw new Error(message.error);
      return message.result;
    } finally {
      abort.abort();
    }
  }

  async dismiss() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.send({ kind: 'close' });
    await gone;
  }

  kill() {
    this.#child.kill('SIGKILL');
  }
}

/** The line of a dying process's output that names its error. */
function errorIn(output) {
  const lines = output.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^\w*(?:Error|Exception)\b/.test(line)) ?? lines.at(-1) ?? 'it said nothing';
}
