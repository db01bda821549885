import { clearTimeout, setTimeout } from 'node:timers';
import { limits } from '../core/limits.js';
import type { Claim } from './claim.js';
import type { BatchPublisher, Publisher, SinglePublisher } from './publisher.js';
import type { Letter } from './stored.js';

const concurrencyDefault = 32;

export interface Outcomes {
  published(letter: Letter): void;
  failed(letter: Letter, error: unknown): void;
  /** It has not settled, and will: its key waits. */
  slow(letter: Letter): void;
}

/** Hands batches to the publisher, and says of each event what became of it: exactly once, or first `slow` and the rest later. */
export class Sender {
  readonly #publisher: Publisher;
  readonly #outcomes: Outcomes;
  readonly #timeoutMs: number;
  /** Under way, also those of earlier batches that were slow. */
  readonly #busy = new Map<number, Promise<unknown>>();

  constructor(publisher: Publisher, outcomes: Outcomes, timeoutMs: number) {
    this.#publisher = publisher;
    this.#outcomes = outcomes;
    this.#timeoutMs = timeoutMs;
  }

  /** Resolves when all have settled, or what is left is slow. */
  async send(letters: readonly Letter[], claim: Claim): Promise<void> {
    const within = new Within(Math.min(this.#timeoutMs, claim.remainingMs), claim);
    if ('publishBatch' in this.#publisher) {
      await this.#batch(this.#publisher, letters, within);
      within.over();
    } else {
      await this.#singles(this.#publisher, letters, within);
    }
  }

  /** Waits for what is under way; each has its deadline. */
  async finish(): Promise<void> {
    while (this.#busy.size > 0) await Promise.allSettled(this.#busy.values());
  }

  async #batch(publisher: BatchPublisher, letters: readonly Letter[], within: Within): Promise<void> {
    const messages = letters.map(({ message }) => message);
    let results: readonly (Error | undefined)[] = [];
    try {
      const said = await within.run(() => publisher.publishBatch(messages, { signal: within.signal }));
      results = said ?? [];
      if (said && said.length !== letters.length) throw wrongLength(said, letters);
    } catch (error) {
      results = letters.map(() => error as Error);
    }
    const stopped = new Set<string>();
    for (const [index, letter] of letters.entries()) {
      const { key } = letter.message;
      const error = results[index];
      // What was sent behind a failure counts as not sent: it comes again, in its place.
      if (key !== undefined && stopped.has(key)) continue;
      if (error === undefined) this.#outcomes.published(letter);
      else this.#outcomes.failed(letter, error);
      if (error !== undefined && key !== undefined) stopped.add(key);
    }
  }

  async #singles(publisher: SinglePublisher, letters: readonly Letter[], within: Within): Promise<void> {
    const lanes = lanesOf(letters);
    const running = new Set<Letter>();
    let going = true;
    const one = async (letter: Letter): Promise<boolean> => {
      running.add(letter);
      try {
        await within.run(() => publisher.publishOne(letter.message, { signal: within.signal }));
        this.#outcomes.published(letter);
        return true;
      } catch (error) {
        this.#outcomes.failed(letter, error);
        return false;
      } finally {
        running.delete(letter);
        this.#busy.delete(letter.pos);
      }
    };
    const worker = async (): Promise<void> => {
      for (let lane = lanes.pop(); lane !== undefined && going; lane = lanes.pop()) {
        for (const letter of lane) {
          if (!going || !within.isValid) break;
          const done = one(letter);
          this.#busy.set(letter.pos, done);
          if (!(await done)) break;
        }
      }
    };
    const free = Math.min(lanes.length, (publisher.concurrency ?? concurrencyDefault) - this.#busy.size);
    const all = Promise.all(Array.from({ length: Math.max(0, free) }, worker)).finally(() => within.over());
    // Nobody is free: the slow ones have it all, and end with their deadlines.
    await atMost(limits.outboxLingerMs, free > 0 ? all : Promise.race(this.#busy.values()));
    going = false;
    for (const letter of running) this.#outcomes.slow(letter);
  }
}

/** Which of them have failed is anybody's guess, so all have: what arrived all the same comes twice, and nothing is lost. */
function wrongLength(said: readonly unknown[], letters: readonly Letter[]): Error {
  return new TypeError(
    `publishBatch answered ${said.length} results for ${letters.length} messages: one for each, in their order, an error or undefined`,
  );
}

/** The time of one batch: what is sent after it, or after the claim, could come behind what another relay sends. */
class Within {
  readonly #abort = new AbortController();
  readonly #claim: Claim;
  readonly #timer: NodeJS.Timeout;
  readonly #aborted: Promise<never>;

  constructor(ms: number, claim: Claim) {
    this.#claim = claim;
    this.#timer = setTimeout(() => this.#abort.abort(new Error('its time was over')), Math.max(0, ms));
    this.#aborted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
    this.#aborted.catch(() => {});
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Looks at the clocks: a timer is late after a pause of the process. */
  get isValid(): boolean {
    return !this.signal.aborted && this.#claim.remainingMs > 0;
  }

  /** Settles in time, and never at once, whatever the publisher does. */
  async run<T>(publish: () => Promise<T>): Promise<T> {
    return Promise.race([publish(), this.#aborted]);
  }

  over(): void {
    clearTimeout(this.#timer);
  }
}

/** Events of one key in their order, others alone; those that were written first come last, for `pop`. */
function lanesOf(letters: readonly Letter[]): Letter[][] {
  const lanes: Letter[][] = [];
  const ofKey = new Map<string, Letter[]>();
  for (const letter of letters) {
    const { key } = letter.message;
    const known = key === undefined ? undefined : ofKey.get(key);
    if (known !== undefined) {
      known.push(letter);
      continue;
    }
    const lane = [letter];
    lanes.push(lane);
    if (key !== undefined) ofKey.set(key, lane);
  }
  return lanes.reverse();
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, enough]);
  clearTimeout(timer);
}
