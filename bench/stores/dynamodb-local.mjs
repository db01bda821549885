import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { storeOn } from './dynamodb.mjs';

export { peers } from './dynamodb.mjs';

const version = '2.5.2';
const lib = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), `holdfast/dynamodb-local-${version}/lib`);

export const store = storeOn({
  title: 'DynamoDB Local in place of DynamoDB: in memory, one client per process',
  fix: 'node scripts/dynamodb-local.mjs',
  missing: () => (existsSync(lib) ? undefined : 'DynamoDB Local is not there (node scripts/dynamodb-local.mjs)'),
  command: (port) => [
    ...['java', `-Djava.library.path=${lib}`, '-cp', `${lib}/*`, 'com.amazonaws.services.dynamodbv2.local.main.ServerRunner'],
    ...['-inMemory', '-disableTelemetry', '-port', port],
  ],
  versions: () => [`DynamoDB Local ${version}`],
});
