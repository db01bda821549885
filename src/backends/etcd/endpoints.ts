import type { GrpcClient, GrpcModule } from './grpc.js';

/** One member as this process reaches it. */
export interface Endpoint {
  readonly address: string;
  readonly client: GrpcClient;
}

const channelOptions = {
  // What may have been done is settled here, by asking what stands in the store. grpc-js would send it again in silence.
  'grpc.enable_retries': 0,
  // Else two backends share a connection, and a fault of one is a fault of both.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  // A connection that is dead in silence is found by a ping, where nothing else is sent. Members refuse pings that come more
  // often than every 5 s.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 3_000,
  // A page of a list, of holds with the longest metadata.
  'grpc.max_receive_message_length': 64 * 1024 * 1024,
};

/** All members, of which one is in use: each has all data, and whoever fails is followed by the next. */
export class Endpoints {
  readonly all: readonly Endpoint[];
  #current: number;

  /** @param random in [0, 1): processes spread over the members */
  constructor(grpc: GrpcModule, addresses: readonly string[], credentials: unknown, random: number) {
    this.all = addresses.map((address) => ({
      address,
      client: new grpc.Client(address, credentials as never, channelOptions as never),
    }));
    this.#current = Math.floor(random * addresses.length);
  }

  get current(): Endpoint {
    return this.all[this.#current] as Endpoint;
  }

  /** It gave no good answer. Nothing changes if somebody else found out before. */
  failed(endpoint: Endpoint): void {
    if (this.current === endpoint) this.#current = (this.#current + 1) % this.all.length;
  }

  close(): void {
    for (const { client } of this.all) client.close();
  }
}
