import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.js';
import { isMissing } from '../../support/missing.js';

export const prometheusIsMissing = isMissing('prometheus', 'apt-get install prometheus');

const startMsMax = 20_000;
const queryEveryMs = 100;

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface PrometheusStart {
  /** Scrapes these as `job`, so often, and evaluates the rules as often. */
  readonly job: string;
  readonly targets: readonly string[];
  readonly everyMs: number;
  readonly rules: string;
}

/** A real Prometheus on a free loopback port, in a folder of its own. */
export class PrometheusServer {
  readonly #folder: string;
  readonly #port: number;
  readonly #child: ChildProcess;

  private constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    const flags = [
      `--config.file=${path.join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ];
    this.#child = spawn('prometheus', flags, { stdio: ['ignore', 'ignore', 'inherit'], cwd: folder });
    process.once('exit', this.#killNow);
  }

  static async start({ job, targets, everyMs, rules }: PrometheusStart): Promise<PrometheusServer> {
    // Another process may take the port between its choice and its use.
    for (let tries = 1; ; tries++) {
      const folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-prometheus-'));
      writeFileSync(path.join(folder, 'holdfast.rules.yml'), rules);
      const config = {
        global: { scrape_interval: `${everyMs}ms`, scrape_timeout: `${everyMs}ms`, evaluation_interval: `${everyMs}ms` },
        rule_files: ['holdfast.rules.yml'],
        scrape_configs: [{ job_name: job, static_configs: [{ targets }] }],
      };
      writeFileSync(path.join(folder, 'prometheus.yml'), JSON.stringify(config));
      const server = new PrometheusServer(folder, await freePort());
      try {
        await server.#ready();
        return server;
      } catch (error) {
        await server.stop();
        if (tries === 3) throw error;
      }
    }
  }

  /** An instant query, after a moment: whoever waits for something asks no more often than it can change. @throws if Prometheus does not understand it */
  async query(expression: string): Promise<readonly Sample[]> {
    await sleep(queryEveryMs);
    const url = `http://127.0.0.1:${this.#port}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = (await (await fetch(url, { signal: AbortSignal.timeout(5_000) })).json()) as {
      error?: string;
      data?: { result: readonly { metric: Record<string, string>; value: [number, string] }[] };
    };
    if (answer.data === undefined) throw new Error(`${expression}: ${answer.error}`);
    return answer.data.result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  /** Names of the alerts that were in this state at any evaluation of the last minutes. */
  async alertsEver(state: 'firing' | 'pending'): Promise<readonly string[]> {
    const found = await this.query(`count by (alertname) (max_over_time(ALERTS{alertstate="${state}"}[10m]))`);
    return found.map(({ metric }) => metric['alertname'] ?? '').sort();
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killNow);
    if (this.#child.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null) {
      const ended = once(this.#child, 'exit');
      this.#child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }

  async #ready(): Promise<void> {
    for (const endMs = performance.now() + startMsMax; ; await sleep(50)) {
      const answer = await fetch(`http://127.0.0.1:${this.#port}/-/ready`).catch(() => undefined);
      if (answer?.ok === true) return;
      if (this.#child.exitCode !== null || performance.now() > endMs) throw new Error('prometheus did not start');
    }
  }

  readonly #killNow = (): void => {
    this.#child.kill('SIGKILL');
  };
}
