import { Buffer } from 'node:buffer';
import { randomBytes } from 'node:crypto';

/**
 * What is written begins with a line of 64 bytes: `holdfast/1`, the fence in 19 digits, and 128 random bits.
 *
 * It is there for the ETag, on which the condition of a write rests: of most objects it is the MD5 of the content, and of nothing else. Were the fence in the
 * metadata alone, raising it would not change the ETag, and an object that got its old content back would have its old ETag back: a writer that
 * had looked before could then write after somebody with a higher fence.
 */
export const headBytes = 64;

export function newRun(): string {
  return randomBytes(16).toString('hex');
}

export function sealed(fence: bigint, run: string, body: Uint8Array): Uint8Array {
  const head = `holdfast/1 ${String(fence).padStart(19, '0')} ${run}\n`;
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
}

/** What was written, without its first line; undefined if it is none of ours. */
export function opened(bytes: Uint8Array): Uint8Array | undefined {
  const head = Buffer.from(bytes.subarray(0, headBytes)).toString('latin1');
  return /^holdfast\/1 \d{19} [0-9a-f]{32}\n$/.test(head) ? bytes.subarray(headBytes) : undefined;
}
