import { describe } from 'vitest';
import { sqlite } from '../../src/backends/sqlite/index.js';
import { Folder } from '../sqlite/support/folder.js';
import { Scene } from './scene.js';
import { electionCases } from './suite.js';

describe('election on SQLite', { timeout: 60_000 }, () => {
  const folder = new Folder();
  electionCases(
    new Scene('sqlite'),
    () => `sqlite:${folder.db}`,
    () => sqlite(folder.db),
  );
});
