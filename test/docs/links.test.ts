import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { exists, markdownFiles, proseOf } from './files.js';

/** The anchor that GitHub makes of a heading. */
function slug(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');
}

function anchorsOf(file: string): ReadonlySet<string> {
  return new Set([...proseOf(file).matchAll(/^#{1,6} (.+)$/gm)].map((match) => slug(match[1] ?? '')));
}

/** Links of a page that stay inside the repository, as path and anchor. */
function linksOf(file: string): readonly { readonly target: string; readonly anchor: string }[] {
  return [...proseOf(file).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((link) => !/^[a-z]+:/.test(link))
    .map((link) => {
      const [to = '', anchor = ''] = link.split('#');
      return { target: to === '' ? file : path.posix.join(path.posix.dirname(file), to), anchor };
    });
}

describe('links of the documentation', () => {
  it.each(markdownFiles())('%s leads to files and headings that exist', (file) => {
    for (const { target, anchor } of linksOf(file)) {
      expect(exists(target), `${file} links to ${target}, which is not there`).toBe(true);
      if (anchor !== '') expect([...anchorsOf(target)], `${file} links to #${anchor} of ${target}`).toContain(anchor);
    }
  });

  it('every page of docs can be reached from the README', () => {
    const seen = new Set<string>();
    const next = ['README.md'];
    for (let file = next.pop(); file !== undefined; file = next.pop()) {
      if (seen.has(file) || !file.endsWith('.md')) continue;
      seen.add(file);
      next.push(...linksOf(file).map(({ target }) => target));
    }
    const lost = markdownFiles().filter((file) => file.startsWith('docs/') && !seen.has(file));
    expect(lost, 'link these pages from a page that can be reached').toEqual([]);
  });
});
