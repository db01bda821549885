import assert from 'node:assert/strict';
import type { Ask } from '../../core/backend.js';
import { ownerDigest } from '../../core/clock.js';
import { limits } from '../../core/limits.js';
import type { LockName } from '../../core/name.js';
import { heldOf, topic } from './helpers.js';
import type { Scene } from './scene.js';

/** Endings in groups that some store, somewhere, takes for the same or for something else. */
const lookAlikes = {
  controls: ['\0', '\x01', '\n', '\r\n', '\t', '\x7f', 'a\0', 'a\0b', 'a'],
  percent: ['%', '%%', '%25', '%00', '%2525', '%u0000', '%uD800', '%ud800', '% 25'],
  surrogates: ['\ud800', '\udfff', '\ud800x', '\ud83d', '\ude00', '\ud83d\ude00', '\ude00\ud83d', '\ufffd', '\ufffd\ufffd'],
  braces: ['{}', '{a}', '{a', 'a}', '{a}{b}', '{{a}}', '%7Ba%7D'],
  patterns: ['*', '?', '[a]', '[^a]', 'a*', '_', 'a_', '\\', '\\*', '^', '$', '.*'],
  quotes: ["'", "''", '"', '`', '; drop table x', '--', '#', '$1', ':a', '@a'],
  paths: ['/', '//', 'a/', 'a//b', '.', '..', 'a/../b', 'a/./b', '~', ':', ':fence', ':queue', ':shared'],
  case: ['name', 'Name', 'NAME', 'ß', 'SS', 'ss', 'ı', 'i', 'I', 'İ'],
  spaces: ['s', 's ', ' s', 's  ', 's\u00a0', '\u200bs', '\ufeffs', 's\u0300'],
  unicode: ['é', 'e\u0301', 'Å', '\u212b', 'ﬁ', 'fi', '漢字', '🔒', '👩‍👩‍👧', '\u202eabc', '\u{10ffff}'],
  words: ['null', 'undefined', '0', '00', '-0', 'true', '__proto__', 'constructor', 'toString'],
};

/** All held at once, all listed unchanged, and each released without its neighbour. */
async function stayApart(scene: Scene, names: readonly LockName[]): Promise<void> {
  const asks: Ask[] = [];
  for (const name of names) asks.push(await scene.hold(name));
  const listed: string[] = [];
  for await (const record of scene.store.list(scene.prefix)) listed.push(record.name);
  assert.deepEqual(listed.sort(), names.map((name) => name.text).sort(), 'names come back as they were written');
  for (const [i, ask] of asks.entries()) {
    const read = await scene.store.read(ask.name);
    assert.deepEqual(
      read.map(({ name, ownerDigest: digest }) => [name, digest]),
      [[ask.name.text, ownerDigest(ask.owner)]],
    );
    assert.equal(await scene.store.release(heldOf(ask)), 'released');
    const left: string[] = [];
    for await (const record of scene.store.list(scene.prefix)) left.push(record.name);
    assert.equal(left.length, names.length - i - 1, `the release of ${JSON.stringify(ask.name.text)} must end one hold`);
    assert.ok(!left.includes(ask.name.text));
  }
}

function filledTo(bytes: number, start: string, fill: string): string {
  return start + fill.repeat(Math.floor((bytes - Buffer.byteLength(start)) / Buffer.byteLength(fill)));
}

const groups = Object.entries(lookAlikes).map(([group, endings]) => [
  `${group}-stay-apart`,
  (scene: Scene) =>
    stayApart(
      scene,
      endings.map((ending) => scene.name(ending)),
    ),
]);

export const names = topic('names', {
  ...Object.fromEntries(groups),

  empty: async (scene) => {
    const name = scene.watchName('');
    const ask = await scene.hold(name);
    assert.deepEqual(
      (await scene.holders(name)).map((record) => record.name),
      [''],
    );
    assert.equal(await scene.store.release(heldOf(ask)), 'released');
  },

  'as-long-as-allowed': async (scene) => {
    const texts = [
      filledTo(limits.nameBytesMax, scene.prefix, 'x'),
      `${filledTo(limits.nameBytesMax - 1, scene.prefix, 'x')}y`,
      filledTo(limits.nameBytesMax, scene.prefix, '漢'),
      filledTo(limits.nameBytesMax, scene.prefix, '🔒'),
      // Encoded, a lone surrogate takes six bytes.
      scene.prefix + '\ud800'.repeat(Math.floor((limits.nameBytesMax - scene.prefix.length) / 6)),
    ];
    await stayApart(
      scene,
      texts.map((text) => scene.watchName(text)),
    );
  },

  'one-being-the-start-of-another': async (scene) => {
    await stayApart(
      scene,
      ['', 'a', 'ab', 'abc', 'abcd'].map((ending) => scene.name(ending)),
    );
  },

  'through-an-instance': async (scene) => {
    const locks = await scene.holdfast();
    for (const ending of ['\0', '\ud800', '%', '{a}', '🔒', 's ']) {
      const { text } = scene.name(ending);
      await locks.request(text, async (lease) => {
        assert.equal(lease?.name, text);
        const { held } = await locks.query(text);
        assert.deepEqual(
          held.map((record) => record.name),
          [text],
        );
      });
    }
  },
});
