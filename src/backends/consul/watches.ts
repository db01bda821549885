import type { Stop } from '../../core/backend.js';
import { type KeyValue, keyValueOf } from './ops.js';
import { keyPath, type Rpc } from './rpc.js';
import type { Sightings } from './sightings.js';

/** How long Consul waits before it answers that nothing has changed; and then up to a sixteenth more. */
const waitS = 30;
/** A question that was not answered by then is dead: nothing on the way may wait for ever. */
const answerMsMax = waitS * 1_000 * 1.1 + 2_000;

/**
 * Blocking queries, one for each key that is waited for. Each fires once: when the key is gone, or is somebody else's. One that fails
 * fires nothing: whoever waits has its poll, and nothing spins.
 */
export class Watches {
  readonly #rpc: Rpc;
  readonly #sightings: Sightings;

  constructor(rpc: Rpc, sightings: Sightings) {
    this.#rpc = rpc;
    this.#sightings = sightings;
  }

  /**
   * @param isSame whether this is still what was waited for, in another version
   * @param failed it will not fire
   */
  add(seen: KeyValue, isSame: (kv: KeyValue) => boolean, failed: () => void, fired: () => void): Stop {
    const state = { stopped: false, cancel: () => {} };
    void this.#follow(seen, isSame, state).then(
      () => {
        if (!state.stopped) fired();
      },
      () => {
        if (!state.stopped) failed();
      },
    );
    return () => {
      state.stopped = true;
      state.cancel();
    };
  }

  async #follow(seen: KeyValue, isSame: (kv: KeyValue) => boolean, state: { stopped: boolean; cancel: () => void }) {
    let kv: KeyValue | undefined = seen;
    while (!state.stopped) {
      kv = await this.#changed(kv, state);
      if (kv === undefined || kv.createIndex !== seen.createIndex || !isSame(kv)) return;
      // A sign of life of whoever holds.
      this.#sightings.leftMs(kv, 0);
    }
  }

  async #changed({ key, modifyIndex }: KeyValue, state: { cancel: () => void }): Promise<KeyValue | undefined> {
    const sent = this.#rpc.watch(`${keyPath(key)}?index=${modifyIndex}&wait=${waitS}s`);
    const timer = this.#rpc.ports.timer(answerMsMax, sent.cancel);
    state.cancel = sent.cancel;
    try {
      const { status, text } = await sent.reply;
      if (status === 404) return undefined;
      if (status !== 200) throw new Error(`HTTP status ${status}`);
      const [raw] = JSON.parse(text) as Parameters<typeof keyValueOf>;
      return keyValueOf(raw);
    } finally {
      timer.cancel();
    }
  }
}
