import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { NotSentError } from '../../src/backends/postgres/driver.js';
import { verdictOf } from '../../src/backends/postgres/errors.js';
import { postgres, postgresFromUrl, setupSql } from '../../src/backends/postgres/index.js';
import { literal } from '../../src/backends/postgres/sql/text.js';
import { parseUrl } from '../../src/backends/postgres/url.js';
import { asciiJson, asciiName } from '../../src/core/ascii.js';
import { decodeName, encodeName } from '../../src/core/name.js';

describe('what is given', () => {
  it('is told by its shape', () => {
    expect(() => postgres(new pg.Client() as never)).toThrow(
      expect.objectContaining({ code: 'NOT_SUPPORTED', message: expect.stringMatching(/Pool/) }),
    );
    for (const bad of [undefined, null, {}, 'postgres://', () => {}]) {
      expect(() => postgres(bad as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });

  it('as options is checked', () => {
    const pool = new pg.Pool();
    const bad = [
      { schema: '' },
      { schema: 'pg_catalog' },
      { schema: 'a"b' },
      { schema: 'x'.repeat(64) },
      { commandTimeoutMs: 1 },
      { fenceRetentionMs: 86_400_000 },
      { listen: 1 as never },
    ];
    for (const options of bad)
      expect(() => postgres(pool, options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => setupSql({ role: '' })).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(setupSql({ schema: 'a-b', role: 'x"; DROP ROLE y; --' })).toContain('TO "x""; DROP ROLE y; --";');
  });

  it('as a URL is taken apart, and its password never repeated', async () => {
    expect(parseUrl('postgresql://u:p@h:1/d?schema=locks&listen=false&sslmode=require')).toEqual({
      url: 'postgresql://u:p@h:1/d?sslmode=require',
      options: { schema: 'locks', listen: false },
    });
    for (const bad of [
      'mysql://s3cret@h',
      'postgres://u:s3cret@[h',
      'postgres://u:s3cret@h/d?listen=perhaps',
      'postgres://u:s3cret@h/d?schema=pg_s',
    ]) {
      await expect(postgresFromUrl(bad)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.not.stringMatching(/s3cret/),
      });
    }
    await expect(postgresFromUrl('postgres://h/d', 'mysql' as never)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

describe('text in statements', () => {
  it('means itself', () => {
    expect(literal('plain')).toBe("'plain'");
    expect(literal("it's")).toBe("E'it''s'");
    expect(literal('a\\')).toBe("E'a\\\\'");
    expect(literal("\\'; --")).toBe("E'\\\\''; --'");
    expect([literal(null), literal(1), literal(true)]).toEqual(['NULL', '1', 'true']);
    for (const text of ['é', '\0', '\n', '\x7f', '\u2028']) expect(() => literal(text)).toThrow(/ASCII/);
  });

  it('is ASCII, and comes back', () => {
    for (const text of ['é', '漢字🔒', '\ud800', '\ud83d', '%u00E9', '%', '\0', 'a%41']) {
      const stored = asciiName(encodeName(text));
      expect(stored).toMatch(/^[\x20-\x7e]*$/);
      expect(decodeName(stored)).toBe(text);
    }
    const value = { é: '漢\u2028🔒\0\ud800' };
    expect(asciiJson(value)).toMatch(/^[\x20-\x7e]*$/);
    expect(JSON.parse(asciiJson(value))).toEqual(value);
  });
});

describe('what an error means', () => {
  const said = (code: string, severity = 'ERROR') => Object.assign(new Error('…'), { code, severity });
  const cases = [
    ['40001', 'refused'],
    ['40P01', 'refused'],
    ['55P03', 'refused'],
    ['53100', 'refused'],
    ['53300', 'refused'],
    ['57P03', 'refused'],
    ['57014', 'refused'],
    ['25006', 'wrong-kind'],
    ['HF001', 'wrong-kind'],
    ['42883', 'missing'],
    ['42P01', 'missing'],
    ['3F000', 'missing'],
    ['42501', 'permanent'],
    ['28P01', 'permanent'],
    ['57P01', 'unknown'],
    ['08006', 'unknown'],
  ] as const;
  it.each(cases)('%s: %s', (code, verdict) => expect(verdictOf(said(code))).toBe(verdict));

  it('of Node or the library: unknown, unless nothing was sent', () => {
    for (const code of ['EPIPE', 'ECONNRESET', 'CONNECTION_CLOSED'])
      expect(verdictOf(Object.assign(new Error('…'), { code }))).toBe('unknown');
    expect(verdictOf(new Error('Connection terminated unexpectedly'))).toBe('unknown');
    expect(verdictOf(new NotSentError('…', { cause: new Error('connect ECONNREFUSED') }))).toBe('refused');
    expect(verdictOf(new NotSentError('…', { cause: said('28P01', 'FATAL') }))).toBe('permanent');
  });
});
