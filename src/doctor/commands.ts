import type { LockRecord } from '../core/backend.js';
import { shellWord } from '../core/shell-word.js';

/** The commands that verdicts name, as a shell takes them. */
export class Commands {
  readonly #backend: string;

  /** @param backend ` --backend …`, ready for a shell; empty where the store is found without it */
  constructor(backend: string) {
    this.#backend = backend;
  }

  /** Ends this very hold: if another came meanwhile, nothing is ended. */
  revoke({ name, fence }: Pick<LockRecord, 'name' | 'fence'>, reason: string): string {
    const ifFence = fence === undefined ? '' : ` --if-fence ${fence}`;
    return `holdfast revoke ${shellWord(name)}${ifFence} --reason ${shellWord(reason)}${this.#backend}`;
  }

  inspect(name: string): string {
    return `holdfast inspect ${shellWord(name)}${this.#backend}`;
  }

  doctor(name: string): string {
    return `holdfast doctor ${shellWord(name)}${this.#backend}`;
  }

  /** The findings on the store itself. */
  store(): string {
    return `holdfast doctor${this.#backend}`;
  }

  reconcile(): string {
    return `holdfast reconcile --once${this.#backend} MODULE`;
  }

  /** Lets a stopped process go on. */
  continue(pid: number): string {
    return `kill -CONT ${pid}`;
  }

  processes(pids: readonly number[]): string {
    return `ps -o pid,ppid,stat,etime,args -p ${pids.join(',')}`;
  }
}
