import { expect, it } from 'vitest';
import { verdictIds } from '../../src/doctor/index.js';
import { read } from '../docs/files.js';

/** The runbooks of all verdicts. */

const sections = ['What it means', 'First commands', 'Causes', 'Mends', 'How to verify'];

it.each(verdictIds)('%s has a page with the five sections, and a place in the list', (id) => {
  const page = read(`docs/runbooks/${id}.md`);
  expect([...page.matchAll(/^## (.+)$/gm)].map(([, title]) => title)).toEqual(sections);
  expect(page).toContain(`\`${id}\``);
  expect(read('docs/runbooks/README.md')).toContain(`(${id}.md)`);
});
