import { readSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend } from '../../core/backend.js';
import { systemPorts } from '../../core/clock.js';
import { Holdfast } from '../../core/holdfast.js';
import type { Command, Opener } from '../protocol.js';
import { machineMs } from '../time.js';
import { stepWallClock } from './clock.js';
import { say, standStill } from './say.js';
import { write, wrote } from './sink.js';
import { WorkerTurn } from './turn.js';

/** Where the drill says that the event loop may go on. */
const goFd = 3;
/** A failover may take so long. */
const unavailableMs = 30_000;

/** What a worker does when it is told to. */
export class WorkerProcess {
  #locks: Holdfast | undefined;
  #asks = 0;
  #turn: WorkerTurn | undefined;
  #released = Promise.resolve();
  #contending = false;
  readonly #leaving = new AbortController();

  async obey(command: Command): Promise<void> {
    switch (command.do) {
      case 'open':
        return this.#open(command.opener);
      case 'take':
        await this.#released;
        this.#turn = await this.#acquire(command.name, command.ttlMs);
        return this.#turn.touchOn();
      case 'release':
        this.#released = this.#turn?.release() ?? this.#released;
        return this.#released;
      case 'write':
        if (this.#turn !== undefined) await write(this.#turn.turn, this.#turn.fence);
        return;
      case 'block':
        return this.#block();
      case 'step':
        stepWallClock(command.byMs);
        return say({ type: 'stepped', atMs: machineMs() });
      case 'contend':
        return this.#contend(command);
      case 'rest':
        this.#contending = false;
        return;
      case 'wrote':
        return wrote(command.id, command.accepted);
    }
  }

  /** Gives up what is waited for, and gives back what is held. */
  async leave(): Promise<void> {
    this.#contending = false;
    this.#leaving.abort();
    await this.#locks?.close();
  }

  async #open({ module, export: name, args }: Opener): Promise<void> {
    const exports = (await import(module)) as Record<string, (...args: readonly string[]) => Promise<Backend>>;
    const backend = await exports[name]?.(...args);
    this.#locks = new Holdfast(backend as Backend, { unavailableMs }, { ...systemPorts(), warn: () => {} });
    this.#locks.on('waiting', () => say({ type: 'waiting', turn: this.#asks, atMs: machineMs() }));
    say({ type: 'ready', atMs: machineMs() });
  }

  /** One ask at a time: what the instance tells of waiting belongs to the last one. */
  async #acquire(name: string, ttlMs: number): Promise<WorkerTurn> {
    if (this.#locks === undefined) throw new Error('the store is not open');
    const turn = ++this.#asks;
    say({ type: 'asked', turn, atMs: machineMs() });
    return new WorkerTurn(turn, await this.#locks.acquire(name, { ttlMs, alone: true, signal: this.#leaving.signal }));
  }

  /** And looks at its lease right after, in the same turn of the event loop. */
  #block(): void {
    if (this.#turn === undefined) return;
    say({ type: 'blocked', turn: this.#turn.turn, atMs: machineMs() });
    awaitGo();
    this.#turn.touch();
  }

  async #contend({ name, ttlMs, workMs }: Extract<Command, { do: 'contend' }>): Promise<void> {
    this.#contending = true;
    while (this.#contending) {
      const turn = await this.#acquire(name, ttlMs);
      await write(turn.turn, turn.fence);
      turn.touch();
      await sleep(workMs);
      turn.touch();
      await turn.release();
    }
    say({ type: 'rested', atMs: machineMs() });
  }
}

function awaitGo(): void {
  const byte = new Uint8Array(1);
  for (;;) {
    try {
      // The end of the pipe: nobody is there any more who could say so.
      if (readSync(goFd, byte) === 0) process.exit(0);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      standStill(5);
    }
  }
}
