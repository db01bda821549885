import { HoldfastError, LeaseLostError } from '../../core/errors.js';
import type { Holdfast } from '../../core/holdfast.js';
import type { Lease } from '../../core/lease.js';
import type { AcquireOptions, RequestOptions } from '../../core/options.js';
import type { Recorder, Settlement } from '../check/history.js';
import type { SimProcess } from './process.js';
import type { Op } from './scenario.js';
import type { SimSink } from './sink.js';

export interface Workplace {
  readonly process: SimProcess;
  readonly locks: Holdfast;
  readonly recorder: Recorder;
  readonly sink: SimSink;
}

/** Requests that have not settled, by op. */
export type Pending = Map<string, SimProcess>;

/** Does one op from the request to its end. Never rejects. */
export async function perform(at: Workplace, op: Op, pending: Pending): Promise<void> {
  await at.process.sleep(op.thinkMs);
  pending.set(op.id, at.process);
  const how = await settle(() => start(at, op));
  pending.delete(op.id);
  at.recorder.add({ type: 'settled', op: op.id, how });
}

async function settle(run: () => Promise<string | undefined>): Promise<Settlement> {
  try {
    const value = await run();
    return value === undefined ? { outcome: 'none' } : { outcome: 'value', value };
  } catch (error) {
    return describe(error);
  }
}

function describe(error: unknown): Settlement {
  if (!(error instanceof Error)) return { outcome: 'error', error: String(error), code: undefined, loss: undefined };
  const ours = error instanceof HoldfastError ? error : error.cause instanceof HoldfastError ? error.cause : undefined;
  const name = error.name === 'Error' ? error.message : error.name;
  return { outcome: 'error', error: name, code: ours?.code, loss: ours instanceof LeaseLostError ? ours.loss : undefined };
}

async function start(at: Workplace, op: Op): Promise<string | undefined> {
  const { locks } = at;
  switch (op.kind) {
    case 'revoke':
      await locks.revoke(op.name, { reason: `sim ${op.id}` });
      return 'revoked';
    case 'query':
      await locks.query();
      return 'queried';
    case 'acquire':
      return acquire(at, op);
    case 'request':
      noteRequest(at, op, 'request');
      return locks.request(op.name, options(at, op), async (lease) => {
        if (lease === null) return undefined;
        await work(at, op, lease);
        return op.id;
      });
  }
}

async function acquire(at: Workplace, op: Op): Promise<string> {
  noteRequest(at, op, 'acquire');
  const { ifAvailable: _, ...rest } = options(at, op);
  const lease = await at.locks.acquire(op.name, rest satisfies AcquireOptions);
  try {
    await work(at, op, lease);
  } finally {
    await lease.release();
  }
  return op.id;
}

function noteRequest(at: Workplace, op: Op, how: 'request' | 'acquire'): void {
  const { name, mode, steal } = op;
  const patient = !steal && !op.ifAvailable && op.waitMs === undefined && op.abortAfterMs === undefined;
  const throws = op.throws ? boom(op) : undefined;
  at.recorder.add({ type: 'requested', process: at.process.name, op: op.id, name, mode, how, patient, steal, throws });
}

function boom(op: Op): string {
  return `boom ${op.id}`;
}

function options(at: Workplace, op: Op): RequestOptions {
  const { mode, ttlMs, waitMs, maxHoldMs } = op;
  return {
    mode,
    ttlMs,
    ...(op.ifAvailable ? { ifAvailable: true } : {}),
    ...(op.steal ? { steal: true } : {}),
    ...(waitMs === undefined ? {} : { waitMs }),
    ...(maxHoldMs === undefined ? {} : { maxHoldMs }),
    ...(op.abortAfterMs === undefined ? {} : { signal: abortAfter(at.process, op.abortAfterMs) }),
  };
}

function abortAfter(process: SimProcess, delayMs: number): AbortSignal {
  const controller = new AbortController();
  process.later(delayMs, () => controller.abort(new Error('aborted by its caller')));
  return controller.signal;
}

/** Reads the fence as user code does; undefined once the lease is over. */
function touch(at: Workplace, op: Op, lease: Lease): bigint | undefined {
  let fence: bigint | undefined;
  try {
    fence = lease.fence;
  } catch {
    fence = undefined;
  }
  at.recorder.add({ type: 'touched', op: op.id, held: fence !== undefined, aborted: lease.signal.aborted });
  return fence;
}

async function work(at: Workplace, op: Op, lease: Lease): Promise<void> {
  const { process, recorder, sink } = at;
  let fence: bigint | undefined;
  try {
    fence = lease.fence;
  } catch {
    fence = undefined;
  }
  recorder.add({ type: 'started', process: process.name, op: op.id, fence });
  const { signal } = lease;
  const note = () => recorder.add({ type: 'signalled', op: op.id, loss: lossOf(signal.reason) });
  if (signal.aborted) note();
  else signal.addEventListener('abort', note, { once: true });
  if (fence !== undefined) sink.write(process, op.id, op.name, fence);
  const until = process.clock.monotonicMs() + op.workMs;
  while (fence !== undefined && process.clock.monotonicMs() < until) {
    await process.sleep(Math.min(op.touchEveryMs, until - process.clock.monotonicMs()));
    fence = touch(at, op, lease);
    if (fence !== undefined) sink.write(process, op.id, op.name, fence);
  }
  if (fence === undefined && op.heedlessMs > 0) await process.sleep(op.heedlessMs);
  const threw = op.throws ? boom(op) : undefined;
  signal.removeEventListener('abort', note);
  recorder.add({ type: 'worked', op: op.id, threw });
  if (threw !== undefined) throw new Error(threw);
}

function lossOf(reason: unknown): LeaseLostError['loss'] | undefined {
  return reason instanceof LeaseLostError ? reason.loss : undefined;
}
