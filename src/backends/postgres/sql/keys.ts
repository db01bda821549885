import { createHash } from 'node:crypto';

/** The 64-bit key of an advisory lock, as SQL: different for each schema, purpose and name, and hardly that of anybody else. */
export function advisoryKey(schema: string, purpose: 'ask' | 'turn', name: string): string {
  return `hashtextextended(${name}, ${seed(`${purpose} ${schema}`)})`;
}

export function seed(text: string): bigint {
  return createHash('sha256').update(`holdfast ${text}`).digest().readBigInt64BE();
}
