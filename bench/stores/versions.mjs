import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** A package as the tables name it. */
export function versionOf(name) {
  return `${name} ${require(`${name}/package.json`).version}`;
}
