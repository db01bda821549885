import { machineMs } from '../time.js';
import { say } from './say.js';

const answers = new Map<number, (accepted: boolean) => void>();
let lastId = 0;

/** One write. The sink is with the drill: it answers when it has looked at its mark. */
export function write(turn: number, fence: string): Promise<boolean> {
  const id = ++lastId;
  return new Promise((resolve) => {
    answers.set(id, resolve);
    say({ type: 'write', turn, atMs: machineMs(), id, fence });
  });
}

export function wrote(id: number, accepted: boolean): void {
  answers.get(id)?.(accepted);
  answers.delete(id);
}
