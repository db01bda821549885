/** A body that was read as far as a bound. */
export interface Begun {
  /** All of it. Undefined: it is longer. */
  readonly whole: Uint8Array<ArrayBuffer> | undefined;
  readonly chunks: readonly Uint8Array[];
  readonly reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
}

/** Reads until the end, or until there is more than `bytesMax`. */
export async function firstBytes(body: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Begun> {
  const chunks: Uint8Array[] = [];
  const reader = body?.getReader();
  for (let bytes = 0; ; ) {
    const next = await reader?.read();
    if (next === undefined || next.done) return { whole: joined(chunks, bytes), chunks: [], reader: undefined };
    chunks.push(next.value);
    bytes += next.value.byteLength;
    if (bytes > bytesMax) return { whole: undefined, chunks, reader };
  }
}

/** What was read, and what is still to come. */
export function rest({ chunks, reader }: Begun): ReadableStream<Uint8Array> {
  const read = [...chunks];
  return new ReadableStream({
    async pull(controller) {
      const chunk = read.shift() ?? (await reader?.read())?.value;
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: (reason) => reader?.cancel(reason),
  });
}

function joined(chunks: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
