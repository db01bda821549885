import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

/**
 * flock(1) of util-linux, the usual way from a shell: `exec 9>>file; flock -x 9; …; exec 9>&-`. Node has no flock call.
 *
 * Its best settings: each caller keeps one resident `sh` that takes and gives back on request, so a pair costs one
 * start of flock(1) and nothing else (a start of flock from Node itself was twice as slow, `flock file command` too).
 * Waiters wait in the kernel. There is no TTL, so nothing has to be renewed.
 */
export function open({ folder }) {
  const idle = [];
  const all = [];

  function hire() {
    const shell = new Shell();
    all.push(shell);
    return shell;
  }

  return {
    async pair(name, work) {
      const shell = idle.pop() ?? hire();
      await shell.take(join(folder, encodeURIComponent(name)));
      try {
        await work();
      } finally {
        shell.giveBack();
        idle.push(shell);
      }
    },
    /** The lock belongs to the open file: once flock(1) has taken it, this process holds it without a shell. */
    async hold(names) {
      const files = [];
      for (const name of names) files.push(await takeHere(join(folder, encodeURIComponent(name))));
      return () => files.forEach(closeSync);
    },
    async close() {
      await Promise.all(all.map((shell) => shell.end()));
    },
  };
}

async function takeHere(path) {
  const file = openSync(path, 'a');
  const child = spawn('flock', ['-x', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`flock(1) ended with ${code}`);
  return file;
}

const script = 'while read -r file; do if [ "$file" = - ]; then exec 9>&-; else exec 9>>"$file"; flock -x 9; echo; fi; done';

class Shell {
  #child = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  #taken = () => {};

  constructor() {
    this.#child.stdout.on('data', () => this.#taken());
  }

  take(file) {
    return new Promise((resolve) => {
      this.#taken = resolve;
      this.#child.stdin.write(`${file}\n`);
    });
  }

  giveBack() {
    this.#child.stdin.write('-\n');
  }

  async end() {
    this.#child.stdin.end();
    await once(this.#child, 'exit');
  }
}
