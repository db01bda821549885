import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Backend } from '../../core/backend.js';

type Method = 'acquire' | 'renew' | 'release' | 'abandon' | 'revoke';

/** Stands between a caller and a backend's method. `call` may be made once, twice, later, or not at all. */
export type Interceptor<M extends Method> = (
  call: Backend[M],
  ...args: Parameters<Backend[M]>
) => ReturnType<Backend[M]> | Promise<Awaited<ReturnType<Backend[M]>>>;

export type Faults = { readonly [M in Method]?: Interceptor<M> } & {
  readonly read?: Backend['read'];
  readonly list?: Backend['list'];
  readonly watch?: Backend['watch'];
};

function around<M extends Method>(backend: Backend, method: M, interceptor: Interceptor<M> | undefined): Backend[M] {
  const call = backend[method].bind(backend) as Backend[M];
  if (interceptor === undefined) return call;
  // Asynchronous even where the interceptor throws at once, as the contract's methods are.
  return (async (...args: Parameters<Backend[M]>) => interceptor(call, ...args)) as unknown as Backend[M];
}

/** The same store behind a bad connection. */
export function wrapped(backend: Backend, faults: Faults): Backend {
  return {
    name: backend.name,
    traits: backend.traits,
    acquire: around(backend, 'acquire', faults.acquire),
    renew: around(backend, 'renew', faults.renew),
    release: around(backend, 'release', faults.release),
    abandon: around(backend, 'abandon', faults.abandon),
    revoke: around(backend, 'revoke', faults.revoke),
    watch: faults.watch ?? ((name, wake) => backend.watch(name, wake)),
    read: faults.read ?? ((name) => backend.read(name)),
    list: faults.list ?? ((prefix) => backend.list(prefix)),
    probe: () => backend.probe(),
    ...(backend.examine === undefined ? {} : { examine: backend.examine.bind(backend) }),
    ...(backend.records === undefined ? {} : { records: backend.records.bind(backend) }),
    close: () => backend.close(),
  };
}

/**
 * Lets timers run after every call. Stores inside this process answer before any timer can, and a case that makes a
 * thousand calls would stop the clock of all others.
 */
export function takingTurns(backend: Backend): Backend {
  const thenYield = async (call: (...args: never[]) => Promise<unknown>, ...args: never[]) => {
    const answer = await call(...args);
    await nextTurn();
    return answer;
  };
  const all = { acquire: thenYield, renew: thenYield, release: thenYield, abandon: thenYield, revoke: thenYield };
  return wrapped(backend, all as unknown as Faults);
}

export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

type AnyCall<A extends unknown[], R> = (call: (...args: A) => Promise<R>, ...args: A) => Promise<R>;

/** Takes effect, but its first `times` answers are lost. */
export function dropReply<A extends unknown[], R>(times: number): AnyCall<A, R> {
  let left = times;
  return async (call, ...args) => {
    const answer = await call(...args);
    if (left-- > 0) throw new Error('the connection was reset before the answer came');
    return answer;
  };
}

/** Does not take effect: the first `times` requests never reach the store. */
export function dropRequest<A extends unknown[], R>(times: number): AnyCall<A, R> {
  let left = times;
  return async (call, ...args) => {
    if (left-- > 0) throw new Error('the connection was refused');
    return call(...args);
  };
}

/** Takes effect at once, the answer comes when the gate opens. */
export function holdReply<A extends unknown[], R>(until: Gate): AnyCall<A, R> {
  return async (call, ...args) => {
    const answer = await call(...args);
    await until.opened;
    return answer;
  };
}

/** Arrives at the store only when the gate opens. `done` is told when it has taken effect. */
export function holdRequest<A extends unknown[], R>(until: Gate, done: () => void = () => {}): AnyCall<A, R> {
  return async (call, ...args) => {
    await until.opened;
    const answer = await call(...args);
    done();
    return answer;
  };
}

/** Sent twice, as client libraries do after a reconnect; the caller sees the second answer. */
export function duplicate<A extends unknown[], R>(): AnyCall<A, R> {
  return async (call, ...args) => {
    await call(...args);
    return call(...args);
  };
}
