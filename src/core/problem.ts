import { Buffer } from 'node:buffer';

/** An HTTP response that says no, as a problem document (RFC 9457). */
export interface Problem {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface ProblemParts {
  /** Last part of its type: `stale-fence`. */
  readonly kind: string;
  readonly status: number;
  readonly title: string;
  /** A sentence that says what to do. */
  readonly detail: string;
  /** Extension members. Fences are texts there: JSON's numbers end at 2^53. */
  readonly members?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

export const problemMediaType = 'application/problem+json';

/** A name, not an address: nothing is fetched from it. */
export function problemType(kind: string): string {
  return `urn:holdfast:${kind}`;
}

/** Never cached: what is refused now may be taken a moment later. */
export function problem({ kind, status, title, detail, members, headers }: ProblemParts): Problem {
  const document = { type: problemType(kind), title, status, detail, ...members };
  const body = Buffer.from(JSON.stringify(document));
  return {
    status,
    headers: {
      'Content-Type': problemMediaType,
      'Content-Length': String(body.byteLength),
      'Cache-Control': 'no-store',
      ...headers,
    },
    body,
  };
}
