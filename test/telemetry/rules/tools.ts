import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll } from 'vitest';
import { isMissing } from '../../support/missing.js';

export const promtoolIsMissing = isMissing('promtool', 'apt-get install prometheus');
export const amtoolIsMissing = isMissing('amtool', 'apt-get install prometheus-alertmanager');

/** A temporary folder for what the tools are to read. */
export class Files {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-rules-'));

  constructor() {
    afterAll(() => rmSync(this.folder, { recursive: true, force: true }));
  }

  /** Writes a file and answers its path. What is no text is written as JSON, which is YAML, too. */
  write(name: string, content: unknown): string {
    const file = path.join(this.folder, name);
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }
}

/** Runs a tool; what it said if it found something, and an empty text if not. */
export function complaintsOf(tool: string, ...args: readonly string[]): string {
  const run = spawnSync(tool, args, { encoding: 'utf8', timeout: 60_000 });
  return run.status === 0 ? '' : `${run.error?.message ?? ''}${run.stdout}${run.stderr}`;
}
