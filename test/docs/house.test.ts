import { describe, expect, it } from 'vitest';
import { read, repositoryFiles, sourceFiles } from './files.js';

/** Rules of the house that no linter knows. Each message says what to do instead. */

const linesMax = 300;

/** Neither empty nor a comment: what explains the code may take its room. */
function isCode(line: string): boolean {
  return !/^\s*($|\/\/|\/?\*)/.test(line);
}

/** Text files only; the lock file has a rule of its own. */
const texts = repositoryFiles().filter((file) => !file.endsWith('package-lock.json') && !/\.(png|ico|db|sqlite)$/.test(file));

/** Hosts that a reader may be sent to. Anything else in a URL is a slip until it is added here. */
const knownHosts = new Set([
  'github.com',
  'www.w3.org',
  'w3.org',
  'w3c.github.io',
  'webidl.spec.whatwg.org',
  'developer.mozilla.org',
  'nodejs.org',
  'www.sqlite.org',
  'sqlite.org',
  'specifications.freedesktop.org',
  'no-color.org',
  'man7.org',
  'docs.kernel.org',
  'keepachangelog.com',
  'semver.org',
  'aws.amazon.com',
  'martin.kleppmann.com',
  'redis.io',
  'doi.org',
  'jepsen.io',
  'example.com',
]);

function hits(pattern: RegExp, files: readonly string[] = texts): readonly string[] {
  return files.flatMap((file) =>
    read(file)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${line.trim().slice(0, 120)}`] : [])),
  );
}

describe('house rules', () => {
  it(`no source file has more than ${linesMax} lines of code`, () => {
    const long = sourceFiles()
      .map((file) => ({ file, lines: read(file).split('\n').filter(isCode).length }))
      .filter(({ lines }) => lines > linesMax)
      .map(({ file, lines }) => `${file} has ${lines} lines of code`);
    expect(long, 'split along its concepts: one thing a file; move helpers with their tests').toEqual([]);
  });

  it('no path of one machine', () => {
    // Written in pieces, so that this file does not find itself.
    const pattern = new RegExp(
      `(^|[^\\w.~$}/-])/(?:${['work', 'home', 'Users', 'root', 'tmp', 'var/tmp'].join('|')})(?:/|\\b(?![\\w-]))`,
    );
    expect(hits(pattern), 'use a relative path, os.tmpdir() or mkdtemp').toEqual([]);
  });

  it('no package registry and no unknown host', () => {
    const foreign = texts.flatMap((file) =>
      [...read(file).matchAll(/\bhttps?:\/\/([a-z0-9.-]+)/gi)]
        .map((match) => match[1] ?? '')
        .filter((host) => !knownHosts.has(host) && !/^(localhost|127\.0\.0\.1)$/.test(host))
        .map((host) => `${file}: ${host}`),
    );
    expect(foreign, 'leave the URL out, or add its host to knownHosts in this file').toEqual([]);
    expect(read('package-lock.json'), 'run npm with omit-lockfile-registry-resolved=true').not.toMatch(/"resolved": "https?:/);
    expect(repositoryFiles(), 'a registry is the business of each machine').not.toContain('.npmrc');
  });

  it('no word about how the work was organised', () => {
    const words = [
      ['issue', ' #\\d*'],
      ['helper', ' agent'],
      ['\\bA', 'I\\b'],
      ['\\bLL', 'M\\b'],
      ['chat', 'bot'],
    ];
    const pattern = new RegExp(words.map((pieces) => pieces.join('')).join('|'));
    expect(hits(pattern), 'say what the code does and why, not who was asked to write it').toEqual([]);
  });

  it('no test that only runs alone, and none that is switched off without a reason', () => {
    const tests = repositoryFiles().filter((file) => /^test\/.*\.ts$/.test(file));
    const pattern = new RegExp(`\\b(?:it|test|describe)\\.(?:on${'ly'}|to${'do'})\\b`);
    expect(hits(pattern, tests), 'take .only and .todo out again').toEqual([]);
  });

  it('nothing outside a backend asks which backend it is', () => {
    const outside = sourceFiles().filter((file) => !file.startsWith('src/backends/'));
    expect(hits(/\bbackend\.name\s*[!=]==?|[!=]==?\s*\w*\.?backend\.name\b/, outside), 'key on backend.traits').toEqual([]);
  });

  it('core reads clocks, timers, randomness and the process through its ports only', () => {
    const ports = new Set(['src/core/clock.ts', 'src/core/node.ts']);
    const core = sourceFiles().filter((file) => file.startsWith('src/core/') && !ports.has(file));
    const pattern =
      /\b(?:Date\.now|performance\.now|setTimeout|setInterval|setImmediate|Math\.random|randomBytes|process\.\w+)\b\(?/;
    expect(hits(pattern, core), 'take it from Ports (src/core/clock.ts), so that the simulator can drive it').toEqual([]);
  });
});
