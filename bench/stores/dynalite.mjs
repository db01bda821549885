import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { storeOn } from './dynamodb.mjs';
import { versionOf } from './versions.mjs';

export { peers } from './dynamodb.mjs';

const require = createRequire(import.meta.url);
const atOnce = ['createTableMs', 'deleteTableMs', 'updateTableMs'].flatMap((delay) => [`--${delay}`, '0']);

export const store = storeOn({
  title: 'dynalite in place of DynamoDB: in memory, one client per process',
  fix: 'npm ci',
  command: (port) => [
    process.execPath,
    join(dirname(require.resolve('dynalite/package.json')), 'cli.js'),
    ...['--host', '127.0.0.1', '--port', port, ...atOnce],
  ],
  versions: () => [versionOf('dynalite')],
});
