/** What is used of a `Client` of `pg` that a pool hands out. */
export interface PgClient {
  query(text: string, callback: (error: Error | null | undefined, result: unknown) => void): void;
  on(event: 'error', listener: (error: Error) => void): unknown;
  removeListener(event: 'error', listener: (error: Error) => void): unknown;
}

/** A client that is made by us, outside of the pool. */
export interface PgOwnClient {
  query(text: string): Promise<unknown>;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(
    event: 'notification',
    listener: (message: { readonly channel: string; readonly payload?: string | undefined }) => void,
  ): unknown;
  on(event: 'end', listener: () => void): unknown;
  connect(): Promise<unknown>;
  end(): Promise<void>;
  unref?(): void;
}

/** The server process that a connection was told of when it was made. */
export function toldOf(client: object): number | undefined {
  const { processID } = client as { processID?: unknown };
  return typeof processID === 'number' ? processID : undefined;
}

/** The column `r` of the last result. */
export function answerOf(result: unknown): string | null {
  const last = Array.isArray(result) ? result.at(-1) : result;
  const value = (last as { rows?: readonly { r?: unknown }[] } | undefined)?.rows?.[0]?.r;
  return value === undefined || value === null ? null : String(value);
}
