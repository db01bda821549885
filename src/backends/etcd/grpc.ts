import type { Buffer } from 'node:buffer';

// What is called of @grpc/grpc-js, which the application hands in: this store needs its module, and makes its own channels.

export interface GrpcModule {
  readonly Client: new (address: string, credentials: never, options?: never) => GrpcClient;
  readonly Metadata: new () => GrpcMetadata;
  readonly credentials: {
    createInsecure(): object;
    createSsl(): object;
  };
}

export interface GrpcMetadata {
  set(key: string, value: string): void;
}

export interface GrpcClient {
  makeUnaryRequest<In, Out>(
    path: string,
    serialize: (value: In) => Buffer,
    deserialize: (bytes: Buffer) => Out,
    argument: In,
    metadata: never,
    options: object,
    callback: (error: unknown, value?: Out) => void,
  ): { cancel(): void };
  makeBidiStreamRequest<In, Out>(
    path: string,
    serialize: (value: In) => Buffer,
    deserialize: (bytes: Buffer) => Out,
    metadata: never,
    options?: object,
  ): GrpcStream;
  close(): void;
}

export interface GrpcStream {
  write(message: unknown): unknown;
  end(): unknown;
  cancel(): void;
  on(event: string, heard: (...args: never[]) => void): unknown;
}
