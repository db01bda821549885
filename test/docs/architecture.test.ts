import { describe, expect, it } from 'vitest';
import { exists, read, repositoryFiles } from './files.js';

const map = read('ARCHITECTURE.md');
const files = repositoryFiles();

/** Rows of the table of invariants: `| 1 | what | files | tests |`. */
const rows = [...map.matchAll(/^\|\s*(\d+)\s*\| (.+?) \| (.+?) \| (.+?) \|$/gm)].map(([, number, what, kept, tests]) => ({
  number: Number(number),
  what: what ?? '',
  kept: kept ?? '',
  tests: tests ?? '',
}));

function pathsIn(text: string): readonly string[] {
  return [...text.matchAll(/`((?:src|test|docs|scripts|bench|examples|\.ci)\/[^`\s]*)`/g)].map((match) => match[1] ?? '');
}

function isThere(path: string): boolean {
  if (!path.includes('*')) return exists(path);
  const pattern = new RegExp(`^${path.replaceAll('.', '\\.').replaceAll('*', '[^/]+')}`);
  return files.some((file) => pattern.test(file));
}

describe('ARCHITECTURE.md', () => {
  it('names only files and folders that exist', () => {
    const missing = [...new Set(pathsIn(map))].filter((path) => !isThere(path));
    expect(missing, 'these are named in ARCHITECTURE.md and are not there: correct the map').toEqual([]);
  });

  it('names every file of core and every folder of src', () => {
    const named = new Set(pathsIn(map));
    const core = files.filter((file) => /^src\/core\/.+\.ts$/.test(file));
    expect(
      core.filter((file) => !named.has(file)),
      'add these files to the map, each with one line',
    ).toEqual([]);
    const folders = new Set(files.flatMap((file) => /^src\/(?:backends\/|testkit\/)?[^/]+\//.exec(file)?.[0] ?? []));
    expect(
      [...folders].filter((folder) => !map.includes(folder)),
      'add these folders to the map',
    ).toEqual([]);
  });

  it('lists the eleven invariants once each, in order', () => {
    expect(rows.map((row) => row.number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it.each(Array.from({ length: 11 }, (_, index) => index + 1))(
    'invariant %i has a file that keeps it and a test that would fail',
    (number) => {
      const row = rows.find((candidate) => candidate.number === number);
      expect(pathsIn(row?.kept ?? '').filter((path) => path.startsWith('src/')).length, 'name the source file').toBeGreaterThan(
        0,
      );
      expect(
        pathsIn(row?.tests ?? '').filter((path) => /^(test|src\/testkit)\//.test(path)).length,
        'name the test',
      ).toBeGreaterThan(0);
    },
  );
});
