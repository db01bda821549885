import { HoldfastError, InvalidArgumentError } from '../../core/errors.js';
import type { Problem } from '../../core/problem.js';
import type { Idempotent } from '../idempotent.js';
import type { RunOutcome } from '../outcome.js';
import { httpSignature } from '../signature.js';
import { FinalFailure, type Turn } from '../turn.js';
import { type Finality, type HeaderLines, isKeptAnswer, type KeptAnswer, kept, type Said } from './answer.js';
import { parseKey } from './key.js';
import { type HttpIdempotencyOptions, type ParsedHttpOptions, parseHttpOptions } from './options.js';
import * as problems from './problems.js';
import { turnOf } from './turns.js';

/** One request, as an adapter shows it. */
export interface Exchange<Request extends object> {
  readonly request: Request;
  readonly method: string;
  /** Path and query, as the client sent them. */
  readonly target: string;
  header(name: string): string | undefined;
  /** The raw body. Undefined: longer than `requestBytesMax`. */
  body(): Promise<Uint8Array | undefined>;
  /** Headers of the answer that stand already. */
  before(): HeaderLines;
  /** Lets the handler run; resolves with what it said, of which nothing has left yet. Rejects if it will say nothing. */
  handle(turn: Turn): Promise<Said>;
}

/** What the client gets. */
export type Reply =
  /** Not keyed: as if there were no middleware. */
  | { readonly kind: 'pass' }
  /** What the handler said. */
  | { readonly kind: 'said' }
  /** Something else. Of what the handler said, if it ran, nothing leaves. */
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** What lies in the record. `isFirst`: this request led to it. */
  | { readonly kind: 'replay'; readonly answer: KeptAnswer; readonly body: Uint8Array; readonly isFirst: boolean };

/** The handler has answered, and its answer does not tell what was done. */
class UncertainAnswer extends Error {
  constructor(status: number) {
    super(`the handler answered ${status}`);
    this.name = 'UncertainAnswer';
  }
}

const pass: Reply = { kind: 'pass' };

/** What the middlewares have in common: from a request's headers to what may leave, over `idempotent()`. */
export class Engine<Request extends object> {
  readonly options: ParsedHttpOptions<Request>;
  readonly #idempotent: Idempotent;

  /** @throws InvalidArgumentError */
  constructor(idempotent: Idempotent, options: HttpIdempotencyOptions<Request>) {
    if (typeof idempotent?.run !== 'function') {
      throw new InvalidArgumentError('the first argument must be what idempotent(records, options) answers');
    }
    this.#idempotent = idempotent;
    this.options = parseHttpOptions(options);
  }

  /** Whether the request is none of ours, or is refused for its headers alone. Undefined: `admit` it. */
  look(method: string, keyText: string | undefined): Reply | undefined {
    const { methods, required, header, bareKeys } = this.options;
    if (!methods.has(method)) return pass;
    if (keyText === undefined) return required ? refusal(problems.keyMissing(header)) : pass;
    return parseKey(keyText, bareKeys) === undefined ? refusal(problems.keyMalformed(header)) : undefined;
  }

  /** @throws what `tenant` and `body` throw, and what is wrong with the set-up: nothing was executed then */
  async admit(exchange: Exchange<Request>): Promise<Reply> {
    const keyText = exchange.header(this.options.header);
    const early = this.look(exchange.method, keyText);
    if (early !== undefined) return early;
    if (turnOf(exchange.request) !== undefined) {
      // The inner one would find the record of the outer one running, and its 409 would be kept as the answer.
      throw new InvalidArgumentError('an idempotency middleware stands twice in front of this handler: mount it once');
    }
    const body = await exchange.body();
    if (body === undefined) return this.tooLarge();
    const tenant = this.options.tenant?.(exchange.request);
    return this.#run(exchange, {
      key: parseKey(keyText ?? '', this.options.bareKeys) ?? '',
      signature: this.#signatureOf(exchange, body),
      waitMs: this.options.waitMs,
      ...(tenant === undefined ? {} : { tenant }),
    });
  }

  tooLarge(): Extract<Reply, { kind: 'problem' }> {
    return refusal(problems.bodyTooLarge(this.options.requestBytesMax));
  }

  async #run(exchange: Exchange<Request>, request: Parameters<Idempotent['run']>[0]): Promise<Reply> {
    let began = false;
    let said: Said | undefined;
    let decided: Decided | undefined;
    try {
      const outcome = await this.#idempotent.run(request, async (turn) => {
        began = true;
        const before = exchange.before();
        said = await exchange.handle(turn);
        decided = this.#decide(said, before);
        return recorded(decided);
      });
      return replyTo(outcome, said, decided?.answer);
    } catch (error) {
      if (error instanceof UncertainAnswer && said !== undefined) return uncertain(said);
      if (!(error instanceof HoldfastError)) throw error;
      if (began) return refusal(problems.outcomeNotRecorded());
      if (error instanceof InvalidArgumentError) throw error;
      return refusal(problems.storeUnavailable());
    }
  }

  /** @throws UncertainAnswer */
  #decide(said: Said, before: HeaderLines): Decided {
    const answer = kept(said, before, this.options.omitHeaders);
    const finality = this.options.finality(said.status);
    if (finality !== 'completed' && finality !== 'failed') throw new UncertainAnswer(said.status);
    return { finality, answer };
  }

  #signatureOf(exchange: Exchange<Request>, body: Uint8Array): string {
    const [path = '', query = ''] = split(exchange.target);
    const headers = Object.fromEntries(this.options.signatureHeaders.map((name) => [name, exchange.header(name)]));
    return httpSignature({ method: exchange.method, path, query, headers, body });
  }
}

/** What is to be recorded of what the handler said. */
interface Decided {
  readonly finality: Exclude<Finality, 'unknown'>;
  readonly answer: KeptAnswer;
}

/** As `idempotent` takes it from a handler. @throws FinalFailure */
function recorded({ finality, answer }: Decided): KeptAnswer {
  if (finality === 'failed') throw new FinalFailure(answer);
  return answer;
}

function split(target: string): readonly string[] {
  const at = target.indexOf('?');
  return at < 0 ? [target] : [target.slice(0, at), target.slice(at + 1)];
}

function replyTo(outcome: RunOutcome<unknown>, said: Said | undefined, decided: KeptAnswer | undefined): Reply {
  switch (outcome.outcome) {
    case 'executed':
      // They differ where the answer was written in a transaction of the handler's. Whoever asks again gets that one, so the first does, too.
      return outcome.value === decided ? { kind: 'said' } : replay(outcome.value, true);
    case 'replayed':
      return outcome.kept ? replay(outcome.value, false) : refusal(problems.answerNotKept(undefined));
    case 'mismatch':
      return refusal(problems.keyReused());
    case 'running':
      return refusal(problems.stillRunning(outcome.retryAfterMs));
    case 'full':
      return refusal(problems.full(outcome.retryAfterMs));
    case 'frozen':
      // It ran here, and its own words are of use; but no yes that was not recorded.
      return outcome.error instanceof UncertainAnswer && said !== undefined
        ? uncertain(said)
        : refusal(problems.outcomeUncertain(outcome.recordKey));
  }
}

function uncertain(said: Said): Reply {
  return said.status >= 400 ? { kind: 'said' } : refusal(problems.outcomeUncertain());
}

function replay(answer: unknown, isFirst: boolean): Reply {
  if (!isKeptAnswer(answer)) return refusal(problems.answerNotKept(undefined));
  return answer.body === null
    ? refusal(problems.answerNotKept(answer.status))
    : { kind: 'replay', answer, body: answer.body, isFirst };
}

function refusal(problem: Problem): Extract<Reply, { kind: 'problem' }> {
  return { kind: 'problem', problem };
}
