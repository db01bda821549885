import type { ServerResponse } from 'node:http';

/** Where Node and Express look; plain properties, written as Node itself writes them. */
interface Insides {
  /** The head as text, once it is sent: hence `headersSent`, and setting headers throws. */
  _header: string | null;
  /** Hence `writableEnded`. */
  finished: boolean;
  destroyed: boolean;
  _closed: boolean;
}

/**
 * What a handler sees of a response whose answer is kept back: it seems sent as far as the handler has said it, and the client seems to be there
 * until the answer is known. So what a handler began it also ends when the client has left: `send` and `pipeline` stop reading a file when they see the socket close.
 */
export class Curtain {
  readonly #response: ServerResponse;
  readonly #insides: Insides;
  /** A pipelined request's response is given it only when the one before it has ended, which may be behind the curtain. */
  #socket: ServerResponse['socket'];
  /** Undefined where the socket is an accessor of the class, as it is since Node 22. */
  readonly #ownSocket: PropertyDescriptor | undefined;
  readonly #emit: ServerResponse['emit'];
  #hasLeft = false;
  #lifted = false;
  #raised = false;

  constructor(response: ServerResponse) {
    this.#response = response;
    this.#insides = response as unknown as Insides;
    this.#socket = response.socket;
    this.#ownSocket = Object.getOwnPropertyDescriptor(response, 'socket');
    this.#emit = response.emit;
    Object.defineProperty(response, 'socket', {
      configurable: true,
      enumerable: true,
      get: () => null,
      set: (socket: ServerResponse['socket']) => {
        this.#socket = socket;
      },
    });
    response.emit = ((event: string, ...args: unknown[]) => this.#heard(event, args)) as ServerResponse['emit'];
  }

  headSaid(): void {
    this.#insides._header = 'kept back';
  }

  endSaid(): void {
    this.#insides.finished = true;
  }

  destroySaid(): void {
    this.#insides.destroyed = true;
  }

  /** The response is itself again. */
  lift(): void {
    if (this.#lifted) return;
    this.#lifted = true;
    const insides = this.#insides;
    insides._header = null;
    insides.finished = false;
    this.#giveSocket();
    insides.destroyed = this.#hasLeft;
    insides._closed = this.#hasLeft;
  }

  #giveSocket(): void {
    if (this.#ownSocket !== undefined) {
      Object.defineProperty(this.#response, 'socket', { ...this.#ownSocket, value: this.#socket });
      return;
    }
    const response = this.#response as { socket?: ServerResponse['socket'] };
    delete response.socket;
    response.socket = this.#socket;
  }

  /** And who waits for its end hears of it, also where the client had left before. */
  raise(): void {
    if (this.#raised) return;
    this.#raised = true;
    if (this.#hasLeft) this.#emit.call(this.#response, 'close');
  }

  #heard(event: string, args: readonly unknown[]): boolean {
    if (event !== 'close' || this.#raised) return this.#emit.call(this.#response, event, ...args);
    this.#hasLeft = true;
    if (!this.#lifted) {
      // Node has just noted it.
      this.#insides.destroyed = false;
      this.#insides._closed = false;
    }
    return false;
  }
}
