import type { Socket } from 'node:net';
import { Lane } from './lane.js';

/** What can go wrong with one request. */
export type ProxyFault =
  /** The server gets it; when it replies, the connection is reset, and the reply is lost. */
  | 'lose-reply'
  /** The server gets it; its replies, from this one on, are swallowed, and the connection stays open. */
  | 'swallow-replies'
  /** The server gets half of it, then the connection is reset. */
  | 'cut';

/** A request that stands still in the network. Whoever sent it may give up and leave: it arrives all the same. */
export interface HeldRequest {
  /** Lets it go on to the server, late. Resolves when the server has replied, or is gone. */
  deliver(): Promise<void>;
}

interface Faults {
  readonly latencyMs: number;
  readonly silent: boolean;
  /** Who waits for this request to be held, if anybody does. */
  holderOf(request: string): ((held: HeldRequest) => void) | undefined;
  /** A connection of its own to the server, for what its client no longer waits for. */
  deliverLate(bytes: Buffer): Promise<void>;
  isReply(bytes: Buffer, request: Buffer): boolean;
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
  #onReply: { readonly fault: ProxyFault; readonly met: () => void; readonly request: Buffer } | undefined;
  #swallowing = false;
  /** What stands still, and all that came behind it. */
  #held: Buffer[] | undefined;
  #released = (): void => {};
  readonly #toClient: Lane;
  readonly #toServer: Lane;

  constructor(faults: Faults, client: Socket, server: Socket, over: (link: Link) => void) {
    this.#faults = faults;
    this.#client = client;
    this.#server = server;
    this.#toClient = new Lane(client);
    this.#toServer = new Lane(server);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
    }
    client.on('data', (bytes) => this.#request(bytes));
    server.on('data', (bytes) => this.#reply(bytes));
    client.on('close', () => {
      over(this);
      server.destroy();
      this.#released();
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
    if (this.#held !== undefined) {
      this.#held.push(bytes);
      return;
    }
    const holder = this.#faults.holderOf(bytes.toString('latin1'));
    if (holder !== undefined) {
      this.#held = [bytes];
      holder({ deliver: () => this.#deliver() });
      return;
    }
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
    if (due !== undefined) this.#onReply = { ...due, request: bytes };
    this.#toServer.forward(bytes, this.#faults.latencyMs);
  }

  #deliver(): Promise<void> {
    const held = this.#held;
    if (held === undefined) return Promise.resolve();
    const bytes = Buffer.concat(held);
    this.#held = undefined;
    if (this.#client.destroyed) return this.#faults.deliverLate(bytes);
    const replied = new Promise<void>((resolve) => {
      this.#released = resolve;
    });
    this.#toServer.forward(bytes, this.#faults.latencyMs);
    return replied;
  }

  #reply(bytes: Buffer): void {
    this.#released();
    const awaited = this.#onReply;
    const due = awaited !== undefined && this.#faults.isReply(bytes, awaited.request) ? awaited : undefined;
    if (due !== undefined) this.#onReply = undefined;
    if (due?.fault === 'lose-reply') this.reset();
    if (due?.fault === 'swallow-replies') this.#swallowing = true;
    due?.met();
    if (due?.fault === 'lose-reply') return;
    if (this.#faults.silent || this.#swallowing) this.hasLost = true;
    else this.#toClient.forward(bytes, this.#faults.latencyMs);
  }
}
