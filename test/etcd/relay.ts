import type { Buffer } from 'node:buffer';
import * as grpc from '@grpc/grpc-js';
import { int, message, nested } from '../../src/backends/etcd/wire/codec.js';

/** What the relay itself says to renewals of leases. */
export type KeepAliveConduct =
  | 'honest'
  /** The stream stays open, and nothing comes. */
  | 'silent'
  /** Says yes to everything, as of an earlier term: a leader that was voted out and does not know. */
  | 'deposed';

const request = message({ id: int(1) });
const header = message({ revision: int(3), raftTerm: int(4) });
const response = message({ header: nested(1, header), id: int(2), ttl: int(3) });

const unary = [
  'KV/Range',
  'KV/Txn',
  'Lease/LeaseGrant',
  'Lease/LeaseRevoke',
  'Lease/LeaseTimeToLive',
  'Cluster/MemberList',
  'Maintenance/Status',
  'Maintenance/Alarm',
];
const streams = ['Lease/LeaseKeepAlive', 'Watch/Watch'];
const raw = (bytes: Buffer) => bytes;

/** A real member behind a gRPC server that forwards every call as it is, except for what it is told to do to renewals. */
export class Relay {
  conduct: KeepAliveConduct = 'honest';
  address = '';
  /** The next transaction about this is held up on its way until the promise resolves; `met` is told. */
  holdUp: { readonly text: string; readonly until: Promise<void>; readonly met: () => void; used: boolean } | undefined;
  /** Transactions about this are answered by a member that stops meanwhile; the first one has been proposed by then, and is done. */
  stopping: { readonly text: string; forwarded: boolean } | undefined;
  /** Renewals of this lease are swallowed. */
  mute: number | undefined;
  /** Watches stay open, and nothing is heard on them any more. */
  deaf = false;
  /** Renewals that were asked for. */
  asked = 0;
  readonly #server = new grpc.Server();
  readonly #client: grpc.Client;
  readonly #watches = new Set<grpc.ServerDuplexStream<Buffer, Buffer>>();

  private constructor(target: string) {
    this.#client = new grpc.Client(target, grpc.credentials.createInsecure());
  }

  static async start(target: string): Promise<Relay> {
    const relay = new Relay(target);
    relay.#serve();
    const port = await new Promise<number>((resolve, reject) => {
      relay.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    relay.address = `127.0.0.1:${port}`;
    return relay;
  }

  /** Ends every watch, as a member does that restarts. */
  breakWatches(): void {
    for (const stream of this.#watches) stream.emit('error', Object.assign(new Error('gone'), { code: grpc.status.UNAVAILABLE }));
    this.#watches.clear();
  }

  stop(): void {
    this.#server.forceShutdown();
    this.#client.close();
  }

  #serve(): void {
    const common = { requestSerialize: raw, requestDeserialize: raw, responseSerialize: raw, responseDeserialize: raw };
    for (const method of unary) {
      const path = `/etcdserverpb.${method}`;
      this.#server.addService(
        { call: { path, requestStream: false, responseStream: false, ...common } },
        {
          call: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) =>
            void this.#unary(path, call, answer),
        },
      );
    }
    for (const method of streams) {
      const path = `/etcdserverpb.${method}`;
      this.#server.addService(
        { call: { path, requestStream: true, responseStream: true, ...common } },
        { call: (call: grpc.ServerDuplexStream<Buffer, Buffer>) => this.#stream(path, call) },
      );
    }
  }

  async #unary(path: string, call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>): Promise<void> {
    const held = this.holdUp;
    if (held !== undefined && !held.used && path.endsWith('Txn') && call.request.includes(held.text)) {
      held.used = true;
      held.met();
      await held.until;
    }
    const stopping = this.stopping;
    const stops = stopping !== undefined && path.endsWith('Txn') && call.request.includes(stopping.text);
    const stopped = { code: grpc.status.UNAVAILABLE, details: 'etcdserver: server stopped' };
    if (stops && stopping.forwarded) return answer(stopped);
    if (stops) stopping.forwarded = true;
    this.#client.makeUnaryRequest(path, raw, raw, call.request, new grpc.Metadata(), {}, (error, value) =>
      stops ? answer(stopped) : answer(error, value),
    );
  }

  #stream(path: string, call: grpc.ServerDuplexStream<Buffer, Buffer>): void {
    const isWatch = path.endsWith('Watch');
    const onward = this.#client.makeBidiStreamRequest(path, raw, raw, new grpc.Metadata());
    if (isWatch) this.#watches.add(call);
    call.on('data', (bytes: Buffer) => {
      if (!isWatch) this.asked += 1;
      if (!isWatch && this.mute !== undefined && request.decode(bytes).id === this.mute) return;
      if (isWatch || this.conduct === 'honest') return void onward.write(bytes);
      if (this.conduct === 'deposed') {
        const { id } = request.decode(bytes);
        call.write(response.encode({ id, ttl: 60, header: { revision: 1, raftTerm: 1 } }));
      }
    });
    const isDeaf = () => isWatch && this.deaf;
    onward.on('data', (bytes: Buffer) => {
      if (isDeaf()) return;
      if (isWatch || this.conduct === 'honest') call.write(bytes);
    });
    onward.on('error', () => isDeaf() || call.end());
    onward.on('end', () => isDeaf() || call.end());
    call.on('end', () => onward.cancel());
    call.on('cancelled', () => onward.cancel());
    call.on('error', () => {});
  }
}
