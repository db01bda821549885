import type { Ask } from '../../core/backend.js';
import { BackendUnavailableError, OutcomeUnknownError } from '../../core/errors.js';
import type { Commands } from './commands.js';
import type { Driver, Reply } from './driver.js';
import { Lanes } from './lanes.js';
import { list, number } from './replies.js';
import { releaseScript } from './scripts/release.js';
import type { Script } from './scripts/script.js';

/** What the scripts that grant have in common: with `replicas`, a grant counts when so many replicas have it. */
export class Granting {
  readonly #commands: Commands;
  readonly #replicas: number;
  readonly #lanes: Lanes | undefined;

  /** @throws NotSupportedError if the client can give no connections of their own */
  constructor(driver: Driver, commands: Commands, replicas: number) {
    this.#commands = commands;
    this.#replicas = replicas;
    this.#lanes = replicas === 0 ? undefined : new Lanes(driver.ownConnections(), replicas);
  }

  /**
   * @param isGrant whether a reply says that the ask was granted
   * @throws BackendUnavailableError if too few replicas have the grant, which was then undone
   */
  eval(
    script: Script,
    key: string,
    args: readonly string[],
    timeoutMs: number,
    ask: Ask | undefined,
    isGrant: (reply: Reply) => boolean,
  ): Promise<Reply> {
    const lanes = this.#lanes;
    if (lanes === undefined || ask === undefined) return this.#commands.eval(script, [key], args, timeoutMs);
    return this.#evalOn(lanes, script, key, args, timeoutMs, ask, isGrant);
  }

  close(): void {
    this.#lanes?.close();
  }

  async #evalOn(
    lanes: Lanes,
    script: Script,
    key: string,
    args: readonly string[],
    timeoutMs: number,
    ask: Ask,
    isGrant: (reply: Reply) => boolean,
  ): Promise<Reply> {
    const send = (words: readonly string[]) => lanes.command(key, words, timeoutMs, isGrant);
    const [reply = null, replicas] = list(await this.#commands.eval(script, [key], args, timeoutMs, send));
    if (isGrant(reply) && number(replicas) < this.#replicas) await this.#undo(key, ask, number(replicas), timeoutMs);
    return reply;
  }

  async #undo(key: string, { name, owner, mode }: Ask, replicas: number, timeoutMs: number): Promise<never> {
    const few = `"${name.text}" was granted, but in time only ${replicas} of ${this.#replicas} replicas had it`;
    try {
      await this.#commands.eval(releaseScript, [key], [owner, mode], timeoutMs);
    } catch (cause) {
      throw new OutcomeUnknownError(`${few}, and it could not be given back`, { cause, lock: name.text });
    }
    throw new BackendUnavailableError(`${few}, and it was given back: check the replicas`, { lock: name.text });
  }
}
