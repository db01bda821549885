import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { sqliteRecords } from '../../src/backends/sqlite/index.js';
import { idempotent } from '../../src/idempotency/index.js';
import { reconciler } from '../../src/idempotency/reconcile/index.js';
import { until } from './support/poll.js';
import { root, Scene } from './support/program.js';

describe('holdfast reconcile', () => {
  const scene = new Scene();
  const file = () => path.join(scene.folder, 'requests.db');

  /** A module for the command line, whose `resolve` has this body. */
  function module(body: string): string {
    const sqlite = pathToFileURL(path.join(root, 'dist/backends/sqlite/index.js')).href;
    const text = `import { sqliteRecords } from '${sqlite}';
      export const records = Promise.resolve(sqliteRecords(${JSON.stringify(file())}));
      export const sinks = [];
      export async function resolve({ key, fence }) { ${body} }
      export const close = async () => (await records).close();`;
    const name = path.join(scene.folder, 'reconcile.mjs');
    writeFileSync(name, text);
    return name;
  }

  async function freeze(...keys: readonly string[]): Promise<void> {
    const records = sqliteRecords(file());
    const charges = idempotent(records, { operation: 'charge' });
    for (const key of keys) {
      await charges.run({ key }, (turn) => {
        turn.effect('charge');
        throw new Error('cut');
      });
    }
    await charges.close();
    await records.close();
  }

  async function ask(key: string): Promise<unknown> {
    const records = sqliteRecords(file());
    const charges = idempotent(records, { operation: 'charge' });
    try {
      return await charges.run({ key }, () => 'executed again');
    } finally {
      await charges.close();
      await records.close();
    }
  }

  it('--once resolves what is frozen, says so line by line, and ends with 65 if something stays frozen', async () => {
    await freeze('known', 'unknown');
    const answer = "return key === 'known' ? { verdict: 'completed', value: 42 } : { verdict: 'unknown', why: 'nobody knows' };";
    const first = scene.holdfast(['reconcile', '--once', '--json', module(answer)]);
    expect(await first.ended).toEqual({ status: 65, signal: null });
    const lines = first
      .stdout()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines).toContainEqual(
      expect.objectContaining({ event: 'resolved', key: 'known', verdict: 'completed', disputed: false }),
    );
    expect(lines).toContainEqual(expect.objectContaining({ event: 'unknown', key: 'unknown', why: 'nobody knows' }));
    expect(lines.at(-1)).toMatchObject({ summary: { completed: 1, unknown: 1, notResolved: 0 } });
    expect(await ask('known')).toMatchObject({ outcome: 'replayed', value: 42 });
    expect(await ask('unknown')).toMatchObject({ outcome: 'frozen' });
    const second = scene.holdfast(['reconcile', '--once', module("return { verdict: 'failed', value: null };")]);
    expect(await second.ended).toEqual({ status: 0, signal: null });
    expect(second.stdout()).toContain('resolved 1 (completed 0, failed 1, to be retried 0)');
  });

  it('--once ends with 65 if a term of another store keeps a record from it', async () => {
    await freeze('a');
    const records = sqliteRecords(file());
    const elsewhere = { term: 2n ** 62n, signal: new AbortController().signal, assertLeading: () => {} };
    await reconciler(records, { sinks: [], resolve: () => ({ verdict: 'unknown' }) }).pass(elsewhere);
    await records.close();
    const once = scene.holdfast(['reconcile', '--once', module("return { verdict: 'failed', value: null };")]);
    expect(await once.ended).toEqual({ status: 65, signal: null });
    expect(once.stdout()).toContain('overtaken 1');
    expect(await ask('a')).toMatchObject({ outcome: 'frozen' });
  });

  it('of two one leads and the other waits; --once does nothing meanwhile; SIGTERM hands on', async () => {
    const name = module("return { verdict: 'failed', value: null };");
    const first = scene.holdfast(['reconcile', '--every', '200ms', '--ttl', '30s', name]);
    await until('the first leads', 10_000, () => first.stderr().includes('leads "holdfast reconcile" in term'));
    const second = scene.holdfast(['reconcile', '--every', '200ms', '--ttl', '30s', name]);
    const once = scene.holdfast(['reconcile', '--once', name]);
    expect(await once.ended).toEqual({ status: 75, signal: null });
    expect(once.stderr()).toContain('somebody else leads');
    await freeze('a');
    await until('the first resolves', 10_000, () => first.stderr().includes('charge "a": failed'));
    expect(second.stderr()).not.toContain('leads');
    first.child.kill('SIGTERM');
    expect(await first.ended).toEqual({ status: 0, signal: null });
    await until('the second leads', 10_000, () => second.stderr().includes('leads "holdfast reconcile" in term'));
    await freeze('b');
    await until('the second resolves', 10_000, () => second.stderr().includes('charge "b": failed'));
    second.child.kill('SIGINT');
    expect(await second.ended).toEqual({ status: 0, signal: null });
  });

  it.each([
    ['./not-there.mjs', 'there is no such file'],
    ['.', 'it is no file'],
    [`${import.meta.filename}/below`, 'ENOTDIR'],
    ['x'.repeat(300), 'ENAMETOOLONG'],
  ])('%s is no module: %s', async (file, why) => {
    const ended = scene.holdfast(['reconcile', file]);
    expect(await ended.ended).toMatchObject({ status: 64 });
    expect(ended.stderr()).toContain(`${file} cannot be loaded: ${why}`);
    expect(ended.stderr()).not.toContain('dist/cli');
  });

  it('says what is wrong with what a module exports', async () => {
    const empty = path.join(scene.folder, 'empty.mjs');
    writeFileSync(empty, 'export const sinks = [];');
    const bare = scene.holdfast(['reconcile', empty]);
    expect(await bare.ended).toMatchObject({ status: 64 });
    expect(bare.stderr()).toContain('exports no records');
    const failing = path.join(scene.folder, 'failing.mjs');
    writeFileSync(failing, "export const records = Promise.reject(new Error('connection refused'));");
    const away = scene.holdfast(['reconcile', failing]);
    expect(await away.ended).toMatchObject({ status: 69 });
    expect(away.stderr()).toContain('its export records failed: connection refused');
    const none = scene.holdfast(['reconcile']);
    expect(await none.ended).toMatchObject({ status: 64 });
  });
});
