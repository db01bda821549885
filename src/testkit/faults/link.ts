import type { Socket } from 'node:net';
import { setTimeout } from 'node:timers';

/** What can go wrong with one request. */
export type ProxyFault =
  /** The server gets it; when it replies, the connection is reset, and the reply is lost. */
  | 'lose-reply'
  /** The server gets it; its replies, from this one on, are swallowed, and the connection stays open. */
  | 'swallow-replies'
  /** The server gets half of it, then the connection is reset. */
  | 'cut';

interface Faults {
  readonly latencyMs: number;
  readonly silent: boolean;
  faultFor(request: string): { readonly fault: ProxyFault; readonly met: () => void } | undefined;
}

/** One connection through the proxy. */
export class Link {
  /** Something that was sent never arrived. */
  hasLost = false;
  readonly #faults: Faults;
  readonly #client: Socket;
  readonly #server: Socket;
  /** What happens with the next reply, and who is told. */
  #onReply: { readonly fault: ProxyFault; readonly met: () => void } | undefined;
  #swallowing = false;
  /** When the last delayed piece leaves: none may overtake another. */
  #leavesAtMs = 0;

  constructor(faults: Faults, client: Socket, server: Socket, over: (link: Link) => void) {
    this.#faults = faults;
    this.#client = client;
    this.#server = server;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    client.on('data', (bytes) => this.#request(bytes));
    server.on('data', (bytes) => this.#reply(bytes));
    client.on('close', () => {
      over(this);
      server.destroy();
    });
    // A server that is gone behind a silent proxy is not seen by the client.
    server.on('close', () => {
      if (faults.silent) this.hasLost = true;
      else client.destroy();
    });
  }

  reset(): void {
    this.#client.resetAndDestroy();
    this.#server.resetAndDestroy();
  }

  #request(bytes: Buffer): void {
    if (this.#faults.silent) {
      this.hasLost = true;
      return;
    }
    const due = this.#faults.faultFor(bytes.toString('latin1'));
    if (due?.fault === 'cut') {
      // Not reset at once: the half must arrive.
      this.#server.end(bytes.subarray(0, bytes.length / 2), () => {
        this.#client.resetAndDestroy();
        due.met();
      });
      return;
    }
    if (due !== undefined) this.#onReply = due;
    this.#forward(this.#server, bytes);
  }

  #reply(bytes: Buffer): void {
    const due = this.#onReply;
    this.#onReply = undefined;
    if (due?.fault === 'lose-reply') this.reset();
    if (due?.fault === 'swallow-replies') this.#swallowing = true;
    due?.met();
    if (due?.fault === 'lose-reply') return;
    if (this.#faults.silent || this.#swallowing) this.hasLost = true;
    else this.#forward(this.#client, bytes);
  }

  #forward(to: Socket, bytes: Buffer): void {
    const { latencyMs } = this.#faults;
    const nowMs = performance.now();
    this.#leavesAtMs = Math.max(this.#leavesAtMs, nowMs + latencyMs);
    const delayMs = this.#leavesAtMs - nowMs;
    const write = () => {
      if (to.writable) to.write(bytes);
    };
    if (delayMs < 1) write();
    else setTimeout(write, delayMs);
  }
}
