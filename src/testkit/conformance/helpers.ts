import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Ask, Grant, Held, Refusal } from '../../core/backend.js';
import type { Need } from './fixture.js';
import type { Scene } from './scene.js';

export { eventually, within } from './time.js';
export { sleep };

export interface CaseDefinition {
  readonly id: string;
  readonly needs: readonly Need[];
  readonly alone: boolean;
  readonly run: (scene: Scene) => Promise<void>;
}

type Run = CaseDefinition['run'];
type Definition = Run | { readonly needs?: readonly Need[]; readonly alone?: boolean; readonly run: Run };

/** The cases of one topic; the id is `topic/case`. */
export function topic(name: string, definitions: Record<string, Definition>): readonly CaseDefinition[] {
  return Object.entries(definitions).map(([key, definition]) => {
    const { needs = [], alone = false, run } = typeof definition === 'function' ? { run: definition } : definition;
    return { id: `${name}/${key}`, needs, alone, run };
  });
}

/** A case for stores that have these traits. */
export function needing(...needs: Need[]): { run(run: Run): Definition } {
  return { run: (run) => ({ needs, run }) };
}

export function heldOf(ask: Ask): Held {
  return { name: ask.name, owner: ask.owner, mode: ask.mode, ttlMs: ask.ttlMs };
}

export function granted(answer: Grant | Refusal, why: string): Grant {
  assert.equal(answer.outcome, 'granted', why);
  return answer as Grant;
}

export function refused(answer: Grant | Refusal, why: string): Refusal {
  assert.equal(answer.outcome, 'refused', why);
  return answer as Refusal;
}

const fulfilled = Symbol('fulfilled');

/** What it rejects with. Observes the promise at once, so that it may fail before anyone waits for it. */
export async function rejection(promise: Promise<unknown>, what: string): Promise<unknown> {
  const outcome = await promise.then(
    () => fulfilled,
    (error: unknown) => error,
  );
  assert.notEqual(outcome, fulfilled, what);
  return outcome;
}

/** The `code` of one of our errors. */
export function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}

/** The `loss` of a `LeaseLostError`. */
export function lossOf(error: unknown): unknown {
  return codeOf(error) === 'LEASE_LOST' ? (error as { loss?: unknown }).loss : undefined;
}
