/**
 * Fetches Amazon's DynamoDB Local from Maven Central into the user's cache folder, for the tests. Needs Maven and Java 17. Prints the
 * folder; does nothing where it is already there. Nothing of it comes into this repository.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const version = '2.5.2';
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'holdfast');
const target = path.join(cache, `dynamodb-local-${version}`);

const pom = `<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>holdfast.test</groupId><artifactId>dynamodb-local</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>com.amazonaws</groupId><artifactId>DynamoDBLocal</artifactId><version>${version}</version></dependency>
  </dependencies>
</project>
`;

function fetchInto(folder) {
  writeFileSync(path.join(folder, 'pom.xml'), pom);
  const plugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies';
  const args = ['-q', '-B', plugin, '-DincludeScope=runtime', `-DoutputDirectory=${path.join(folder, 'lib')}`];
  const { status, error } = spawnSync('mvn', args, { cwd: folder, stdio: ['ignore', 'inherit', 'inherit'], timeout: 300_000 });
  if (error !== undefined) throw new Error(`Maven did not run (apt-get install maven): ${error.message}`);
  if (status !== 0) throw new Error(`Maven ended with status ${status}`);
}

if (!existsSync(target)) {
  mkdirSync(cache, { recursive: true });
  // Complete or not there at all.
  const folder = mkdtempSync(path.join(cache, 'fetching-'));
  try {
    fetchInto(folder);
    if (!existsSync(target)) renameSync(folder, target);
  } catch (error) {
    console.error(`DynamoDB Local ${version} could not be fetched: ${error.message}`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
if (existsSync(target)) console.log(target);
