/**
 * Builds a small S3 server with Go, from gofakes3 on the Go module proxy, into the user's cache folder, for the tests. Prints where it is; does nothing where it
 * is already there. It keeps its objects in memory, checks If-Match and If-None-Match in the same step as the write, and its ETag is the MD5 of the
 * content, as that of S3 is. Nothing of it comes into this repository.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';

const version = 'v1.2.0';
const cache = path.join(process.env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'holdfast');
const target = path.join(cache, `s3-server-${version}`);

const main = `package main

import (
	"fmt"
	"net"
	"net/http"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(listener, gofakes3.New(s3mem.New()).Server()))
}
`;

function go(args, cwd) {
  const env = { ...process.env, CGO_ENABLED: '0', GOFLAGS: '-mod=mod -buildvcs=false', GOWORK: 'off', GOTOOLCHAIN: 'local' };
  const { status, error } = spawnSync('go', args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'], timeout: 600_000 });
  if (error !== undefined) throw new Error(`Go did not run (1.24 or later is needed): ${error.message}`);
  if (status !== 0) throw new Error(`go ${args[0]} ended with status ${status}`);
}

if (!existsSync(target)) {
  mkdirSync(cache, { recursive: true });
  // Complete or not there at all.
  const folder = mkdtempSync(path.join(cache, 'building-'));
  try {
    writeFileSync(path.join(folder, 'go.mod'), 'module s3server\n\ngo 1.24\n');
    writeFileSync(path.join(folder, 'main.go'), main);
    go(['get', `github.com/johannesboyne/gofakes3@${version}`], folder);
    go(['build', '-ldflags', '-s -w', '-o', path.join(folder, 's3-server'), '.'], folder);
    mkdirSync(path.join(folder, 'built'));
    renameSync(path.join(folder, 's3-server'), path.join(folder, 'built/s3-server'));
    if (!existsSync(target)) renameSync(path.join(folder, 'built'), target);
  } catch (error) {
    console.error(`the S3 server could not be built: ${error.message}`);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
if (existsSync(target)) console.log(path.join(target, 's3-server'));
