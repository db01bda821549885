import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Records, RecordWrite, StoredRecord } from '../../core/records.js';
import { sleep } from './helpers.js';

export interface RecordScene {
  readonly records: Records;
  /** Another client of the same store. */
  open(): Promise<Records>;
}

/** Long enough to be seen before it is over, on a machine that is busy. */
const shortTtlMs = 300;
/** Whatever took longer than that was no pause of a busy machine. */
const longestTtlMs = 5_000;

const clientCount = 4;
const writesEach = 15;

export const recordDefinitions: Readonly<Record<string, (scene: RecordScene) => Promise<void>>> = {
  async 'none-is-undefined'({ records }) {
    const key = randomUUID();
    assert.equal(await records.get(key), undefined);
    assert.deepEqual(await records.compareAndSet(key, '1', 'x', undefined), { written: false, record: undefined });
    assert.equal(await records.get(key), undefined, 'a comparison that failed must write nothing');
  },

  async 'is-created-once'({ records }) {
    const key = randomUUID();
    const first = written(await records.create(key, 'one', undefined));
    assert.deepEqual([first.key, first.value, first.expiresAtMs], [key, 'one', undefined]);
    const second = await records.create(key, 'two', 60_000);
    assert.equal(second.written, false);
    assert.deepEqual(unmoved(second.record), unmoved(first), 'the loser is told what stands there');
    assert.deepEqual(unmoved(await records.get(key)), unmoved(first));
  },

  async 'is-compared-by-version'({ records }) {
    const key = randomUUID();
    const first = written(await records.create(key, 'one', undefined));
    const second = written(await records.compareAndSet(key, first.version, 'two', undefined));
    assert.notEqual(second.version, first.version);
    const late = await records.compareAndSet(key, first.version, 'late', undefined);
    assert.equal(late.written, false);
    assert.deepEqual(unmoved(late.record), unmoved(second));
    const back = written(await records.compareAndSet(key, second.version, 'one', undefined));
    assert.equal((await records.compareAndSet(key, first.version, 'late', undefined)).written, false, 'the value is no version');
    assert.deepEqual(unmoved(await records.get(key)), unmoved(back));
  },

  async 'a-version-of-another-key-is-none'({ records }) {
    const [one, other] = [randomUUID(), randomUUID()];
    const { version } = written(await records.create(one, 'x', undefined));
    written(await records.create(other, 'y', undefined));
    assert.equal((await records.compareAndSet(other, version, 'z', undefined)).written, false);
    assert.equal((await records.get(other))?.value, 'y');
  },

  async 'ends-with-its-time'({ records }) {
    const key = randomUUID();
    const sentMs = performance.now();
    const first = written(await records.create(key, 'one', shortTtlMs));
    const tookMs = performance.now() - sentMs;
    const leftMs = Number(first.expiresAtMs) - first.storeTimeMs;
    // Its time may be over when the answer comes: a store may read its clock then.
    assert.ok(leftMs > -tookMs && leftMs <= shortTtlMs, `told a time of ${leftMs} ms, of ${shortTtlMs}, after ${tookMs} ms`);
    await over(records, key);
    assert.deepEqual(await records.compareAndSet(key, first.version, 'late', undefined), { written: false, record: undefined });
    const second = written(await records.create(key, 'two', shortTtlMs));
    assert.notEqual(second.version, first.version, 'a version is not used again when its record is over');
    const late = await records.compareAndSet(key, first.version, 'late', undefined);
    assert.equal(late.written, false);
  },

  async 'each-write-sets-the-time-anew'({ records }) {
    const key = randomUUID();
    const { kept, ttlMs } = await keptInTime(records, key);
    assert.equal(kept.expiresAtMs, undefined);
    await sleep(2 * ttlMs);
    assert.equal((await records.get(key))?.value, 'two', 'written without a time, it is kept');
    written(await records.compareAndSet(key, kept.version, 'three', shortTtlMs));
    await over(records, key);
  },

  async 'time-is-the-stores-own'({ records, open }) {
    const key = randomUUID();
    const { storeTimeMs, expiresAtMs } = written(await records.create(key, 'x', 60_000));
    await sleep(20);
    const seen = await (await open()).get(key);
    assert.equal(seen?.expiresAtMs, expiresAtMs, 'everybody is told the same end');
    assert.ok((seen?.storeTimeMs ?? 0) > storeTimeMs, 'the time is that of the answer');
  },

  async 'age-is-of-the-version'({ records, open }) {
    const key = randomUUID();
    const sinceMs = performance.now();
    const first = written(await records.create(key, 'one', undefined));
    // A store whose clock all share tells ages always, and another never.
    if (first.ageMs === undefined) {
      assert.equal((await (await open()).get(key))?.ageMs, undefined);
      return;
    }
    await sleep(200);
    const seen = await (await open()).get(key);
    const laterMs = performance.now() - sinceMs;
    const slackMs = 30;
    assert.ok(Number(seen?.ageMs) >= 200 - slackMs, `told an age of ${seen?.ageMs} ms after 200 ms`);
    assert.ok(Number(seen?.ageMs) <= laterMs + slackMs, `told an age of ${seen?.ageMs} ms after ${laterMs} ms`);
    const againMs = performance.now();
    const second = written(await records.compareAndSet(key, first.version, 'two', undefined));
    assert.ok(Number(second.ageMs) <= performance.now() - againMs + slackMs, 'each write begins anew');
    assert.equal((await records.create(key, 'three', undefined)).record?.ageMs === undefined, false, 'told to the loser, too');
  },

  async 'keeps-every-value'({ records }) {
    for (const value of [
      '',
      ' ',
      '\0\n\r\t"\'\\{}%',
      'é€😀',
      '\ud800',
      '%20',
      JSON.stringify({ n: 2 ** 53 }),
      'x'.repeat(100_000),
    ]) {
      const key = randomUUID();
      const { version } = written(await records.create(key, value, undefined));
      const read = await records.get(key);
      assert.equal(read?.value, value);
      assert.equal(read.version, version);
    }
  },

  async 'keeps-every-key-apart'({ records }) {
    const id = randomUUID();
    const keys = [
      '',
      'A',
      'a',
      ' ',
      '*',
      '?',
      '{',
      '}',
      '{}',
      '%7B',
      '%',
      '\ud800',
      '%uD800',
      '\0',
      '\n',
      ':',
      ':record',
      'é',
      'e\u0301',
      '😀',
    ].map((text) => `${id}${text}`);
    await Promise.all(keys.map(async (key) => written(await records.create(key, `of ${key}`, undefined))));
    for (const key of keys) assert.deepEqual((await records.get(key))?.value, `of ${key}`);
  },

  async 'lists-what-starts-so'({ records, open }) {
    const [id, other] = [randomUUID(), randomUUID()];
    const wanted = await Promise.all(
      ['', '/a', '/b', '/b/c', ' x'].map(async (end) => written(await records.create(`${id}${end}`, `of ${end}`, 60_000))),
    );
    written(await records.create(`${other}/a`, 'of another', undefined));
    written(await records.create(`x${id}`, 'of a longer one', undefined));
    const gone = `${id}/gone`;
    written(await records.create(gone, 'its time is over', shortTtlMs));
    await over(records, gone);
    const first = wanted[0] as StoredRecord;
    const changed = written(await records.compareAndSet(first.key, first.version, 'changed', undefined));
    const listed = await listOf(await open(), id);
    assert.deepEqual(byKey(listed), byKey([changed, ...wanted.slice(1)]), 'as `get` tells them');
    assert.deepEqual((await listOf(records, `${id}/b`)).map(({ key }) => key).sort(), [`${id}/b`, `${id}/b/c`]);
    assert.deepEqual(await listOf(records, `${id}/c`), []);
  },

  async 'lists-by-every-prefix'({ records }) {
    const id = randomUUID();
    const ends = ['A', 'a', '*', '?', '[a]', '{', '%7B', '%', '_', '\\', '\ud800', '\0', '\n', '.', '..', 'é', '😀'];
    await Promise.all(ends.map(async (end) => written(await records.create(`${id}${end}x`, end, undefined))));
    for (const end of ends) {
      const expected = ends.filter((one) => `${one}x`.startsWith(end)).map((one) => `${id}${one}x`);
      const keys = (await listOf(records, `${id}${end}`)).map(({ key }) => key);
      assert.deepEqual(keys.sort(), expected.sort(), `those that start with ${JSON.stringify(end)}`);
    }
  },

  async 'lists-more-than-a-page'({ records }) {
    const id = randomUUID();
    const keys = Array.from({ length: 450 }, (_, index) => `${id}/${index}`);
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => records.create(key, 'x'.repeat(500), undefined)));
    }
    const listed = (await listOf(records, id)).map(({ key }) => key);
    assert.deepEqual(listed.sort(), keys.sort(), 'each once');
  },

  async 'one-of-many-creates-wins'({ open }) {
    const clients = await Promise.all(Array.from({ length: clientCount }, open));
    for (let round = 0; round < 10; round++) {
      const key = randomUUID();
      const answers = await Promise.all(clients.map((client, index) => client.create(key, `by ${index}`, undefined)));
      const winner = answers.findIndex((answer) => answer.written);
      assert.equal(answers.filter((answer) => answer.written).length, 1);
      for (const { record } of answers) assert.equal(record?.value, `by ${winner}`);
    }
  },

  async 'one-of-many-writes-wins-each-version'({ open }) {
    const clients = await Promise.all(Array.from({ length: clientCount }, open));
    const key = randomUUID();
    const first = written(await (clients[0] as Records).create(key, '0', undefined));
    const versions = [first.version];
    const count = async (client: Records) => {
      for (let done = 0; done < writesEach; ) {
        const seen = (await client.get(key)) as StoredRecord;
        const answer = await client.compareAndSet(key, seen.version, String(Number(seen.value) + 1), undefined);
        if (!answer.written) continue;
        done += 1;
        versions.push(written(answer).version);
      }
    };
    await Promise.all(clients.map(count));
    const last = await (clients[0] as Records).get(key);
    assert.equal(last?.value, String(clientCount * writesEach), 'no write may be lost');
    assert.equal(new Set(versions).size, clientCount * writesEach + 1, 'no version may be given twice');
    assert.ok(versions.includes(last.version));
  },
};

async function listOf(records: Records, prefix: string): Promise<readonly StoredRecord[]> {
  assert.ok(records.list !== undefined, 'there is no list: say `lists: false` in the fixture');
  const found: StoredRecord[] = [];
  for await (const record of records.list(prefix)) found.push(record);
  return found;
}

/** Without times that differ from one reading to the next. */
function byKey(records: readonly StoredRecord[]): readonly Partial<StoredRecord>[] {
  return [...records]
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ key, value, version, expiresAtMs }) => ({ key, value, version, expiresAtMs }));
}

function written(answer: RecordWrite): StoredRecord {
  assert.equal(answer.written, true);
  assert.ok(answer.record !== undefined);
  return answer.record;
}

/** Without the times of the answer, which differ from one to the next. */
function unmoved(record: StoredRecord | undefined): Partial<StoredRecord> {
  const { storeTimeMs: _, ageMs: __, ...rest } = record ?? {};
  return rest;
}

/** Created with a time, and written without one before that was over. A machine that stood still meanwhile gives it a longer one. */
async function keptInTime(records: Records, key: string): Promise<{ readonly kept: StoredRecord; readonly ttlMs: number }> {
  for (let ttlMs = shortTtlMs; ; ttlMs *= 3) {
    const sentMs = performance.now();
    const { version } = written(await records.create(key, 'one', ttlMs));
    const answer = await records.compareAndSet(key, version, 'two', undefined);
    if (answer.written || performance.now() - sentMs < ttlMs || ttlMs > longestTtlMs) return { kept: written(answer), ttlMs };
  }
}

async function over(records: Records, key: string): Promise<void> {
  const endMs = performance.now() + 20 * shortTtlMs;
  while ((await records.get(key)) !== undefined) {
    assert.ok(performance.now() < endMs, 'the record must end with its time');
    await sleep(20);
  }
}
