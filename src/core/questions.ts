import { Buffer } from 'node:buffer';
import type { LockRecord, Revocation } from './backend.js';
import { asHoldfastError } from './calls.js';
import { InvalidArgumentError } from './errors.js';
import type { StoreContext } from './giving-back.js';
import { limits } from './limits.js';
import type { LockName } from './name.js';

export interface Inspection {
  readonly name: string;
  readonly held: readonly LockRecord[];
  /** In the order of the queue. */
  readonly waiting: readonly LockRecord[];
}

export interface RevokeOptions {
  /** Shown to the holder. */
  readonly reason: string;
  /** Only if a hold of this fence is there, which `inspect` shows: whoever came after it is left alone. */
  readonly ifFence?: bigint | undefined;
}

/**
 * All records below a prefix. Each step has the call's deadline, so a listing of any length ends or fails.
 *
 * @throws HoldfastError
 */
export async function readRecords(
  { backend, calls, callTimeoutMs }: Pick<StoreContext, 'backend' | 'calls' | 'callTimeoutMs'>,
  prefix: string,
): Promise<LockRecord[]> {
  const records: LockRecord[] = [];
  let iterator: AsyncIterator<LockRecord> | undefined;
  try {
    const listing = backend.list(prefix)[Symbol.asyncIterator]();
    iterator = listing;
    for (;;) {
      const step = await calls.promise(callTimeoutMs, 'listing', () => listing.next(), 'list');
      if (step.done === true) return records;
      records.push(step.value);
    }
  } catch (error) {
    // Not waited for: a listing that hangs hangs here, too.
    iterator?.return?.().catch(() => undefined);
    throw asHoldfastError(error, 'listing');
  }
}

/** @throws HoldfastError */
export async function inspect(
  { backend, calls, callTimeoutMs }: Pick<StoreContext, 'backend' | 'calls' | 'callTimeoutMs'>,
  name: LockName,
): Promise<Inspection> {
  try {
    const own = await calls.promise(callTimeoutMs, 'reading a name', () => backend.read(name), 'read');
    return {
      name: name.text,
      held: own.filter((record) => record.state === 'held'),
      waiting: own.filter((record) => record.state === 'waiting'),
    };
  } catch (error) {
    throw asHoldfastError(error, 'reading a name', name.text);
  }
}

/** @throws HoldfastError */
export async function revoke(
  { backend, calls, node, callTimeoutMs }: StoreContext,
  name: LockName,
  { reason, ifFence }: RevokeOptions,
): Promise<Revocation> {
  if (typeof reason !== 'string' || reason.trim() === '' || Buffer.byteLength(reason) > limits.reasonBytesMax) {
    throw new InvalidArgumentError(`revoke needs a reason of 1 to ${limits.reasonBytesMax} bytes: it is shown to the holder`);
  }
  if (ifFence !== undefined && typeof ifFence !== 'bigint') {
    throw new InvalidArgumentError(`ifFence must be the fence of a hold, a bigint such as 42n, not ${String(ifFence)}`);
  }
  try {
    const only = ifFence === undefined ? {} : { ifFence };
    const call = () => backend.revoke(name, { kind: 'revoked', reason, node, ...only });
    return await calls.promise(callTimeoutMs, 'revoking', call, 'revoke');
  } catch (error) {
    throw asHoldfastError(error, 'revoking', name.text);
  }
}
