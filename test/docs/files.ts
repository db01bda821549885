import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

export function read(file: string): string {
  return readFileSync(path.join(root, file), 'utf8');
}

export function exists(file: string): boolean {
  return existsSync(path.join(root, file));
}

const notOurs = new Set(['node_modules', 'dist', 'coverage', '.git']);

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(path.join(root, folder), { withFileTypes: true })) {
    if (notOurs.has(entry.name) || entry.name.startsWith('.dist-')) continue;
    const file = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(file);
    else if (entry.isFile()) yield file;
  }
}

/** Every file that is, or is about to be, part of the repository. An unpacked archive has no git: then all that is there. */
export function repositoryFiles(): readonly string[] {
  if (!exists('.git')) return [...walk('.')];
  const list = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  return list.split('\0').filter((file) => file !== '' && exists(file));
}

export function sourceFiles(): readonly string[] {
  return repositoryFiles().filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
}

export function markdownFiles(): readonly string[] {
  return repositoryFiles().filter((file) => file.endsWith('.md') && !file.startsWith('.changeset/'));
}

export interface Fence {
  readonly file: string;
  /** Of the opening fence, counted from 1. */
  readonly line: number;
  readonly language: string;
  readonly code: string;
}

/** The fenced code blocks of a Markdown file. */
export function fencesOf(file: string): readonly Fence[] {
  const found: Fence[] = [];
  let open: { line: number; indent: number; language: string; code: string[] } | undefined;
  for (const [index, text] of read(file).split('\n').entries()) {
    const mark = /^(\s*)```(\S*)/.exec(text);
    // A block inside a list is indented as a whole.
    if (mark === null) open?.code.push(text.slice(Math.min(open.indent, text.length - text.trimStart().length)));
    else if (open === undefined) open = { line: index + 1, indent: mark[1]?.length ?? 0, language: mark[2] ?? '', code: [] };
    else {
      found.push({ file, line: open.line, language: open.language, code: open.code.join('\n') });
      open = undefined;
    }
  }
  return found;
}

/** Markdown without its code, where words and links are prose. */
export function proseOf(file: string): string {
  return read(file).replace(/^\s*```[\s\S]*?^\s*```\s*$/gm, '');
}
