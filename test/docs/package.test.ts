import { builtinModules } from 'node:module';
import { describe, expect, it } from 'vitest';
import { exists, read, repositoryFiles, sourceFiles } from './files.js';

interface Package {
  readonly bin: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const pkg = JSON.parse(read('package.json')) as Package;
const entries = Object.entries(pkg.exports).filter(([subpath]) => subpath !== './package.json');
const shipped = Object.keys({ ...pkg.dependencies, ...pkg.optionalDependencies, ...pkg.peerDependencies });
const builtins = new Set([...builtinModules, 'sqlite']);

/** Names of the packages that a file imports, statically, dynamically, by require or for their types. */
function importedPackages(file: string): readonly string[] {
  const code = read(file)
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/(^|\s)\/\/.*$/gm, '');
  const specifiers = [
    ...code.matchAll(/^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/^\s*import\s*['"]([^'"]+)['"]/gm),
    ...code.matchAll(/\b(?:import|require|createRequire\([^)]*\))\(\s*['"]([^'"]+)['"]\s*\)/g),
  ].map((match) => match[1] ?? '');
  return specifiers
    .filter((specifier) => /^[@a-z]/.test(specifier) && !specifier.startsWith('node:'))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'))
    .filter((name) => !builtins.has(name) && name !== 'holdfast');
}

function importers(files: readonly string[]): ReadonlyMap<string, string> {
  return new Map(files.flatMap((file) => importedPackages(file).map((name) => [name, file] as const)));
}

describe('package.json', () => {
  it.each(entries)('export %s has its source, its code and its types', (subpath, target) => {
    const { types, default: code } = target as { types: string; default: string };
    const source = code.replace('./dist/', 'src/').replace(/\.js$/, '.ts');
    expect(exists(source), `${subpath} leads to ${code}, but ${source} is not there`).toBe(true);
    expect(exists(code), `${code} is not built: npm run build`).toBe(true);
    expect(exists(types), `${types} is not built: npm run build`).toBe(true);
  });

  it('exports every backend, and each under its own name', () => {
    const folders = new Set(sourceFiles().flatMap((file) => /^src\/backends\/([^/]+)\/index\.ts$/.exec(file)?.[1] ?? []));
    for (const folder of folders) {
      expect(pkg.exports, `add "./${folder}" to the exports of package.json`).toHaveProperty([`./${folder}`]);
    }
  });

  it('has a bin that is built and starts with a shebang', () => {
    for (const file of Object.values(pkg.bin)) expect(read(file).startsWith('#!/usr/bin/env node\n'), file).toBe(true);
  });

  it('declares what src imports, and src imports what it declares', () => {
    const imported = importers(sourceFiles());
    for (const [name, file] of imported) expect(shipped, `${file} imports ${name}: declare it in package.json`).toContain(name);
    for (const name of shipped)
      expect([...imported.keys()], `nothing in src imports ${name}: take it out of package.json`).toContain(name);
  });

  it('declares what tests, scripts, benches and examples import', () => {
    const files = repositoryFiles().filter((file) => /^(test|scripts|bench|examples)\/.*\.m?[jt]s$/.test(file));
    const declared = [...shipped, ...Object.keys(pkg.devDependencies)];
    for (const [name, file] of importers(files))
      expect(declared, `${file} imports ${name}: declare it in package.json`).toContain(name);
  });

  it('pins every version exactly', () => {
    const all = { ...pkg.dependencies, ...pkg.optionalDependencies, ...pkg.devDependencies };
    for (const [name, version] of Object.entries(all)) {
      expect(version, `${name} is "${version}": give one exact version`).toMatch(/^(npm:@?[\w./-]+@)?\d+\.\d+\.\d+(-[\w.]+)?$/);
    }
  });

  it('has a lock file that `npm ci` takes on every platform', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Package> };
    const lost = Object.values(packages)
      .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
      .filter((name) => !Object.keys(packages).some((key) => key.endsWith(`node_modules/${name}`)));
    // A registry that lacks the packages of another platform makes npm forget them, and `npm ci` then refuses the file.
    expect(lost, 'restore these entries of package-lock.json from its last version').toEqual([]);
  });
});
