import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isMissing } from './missing.js';

export const opensslIsMissing = isMissing('openssl', 'apt-get install openssl', 'version');

/** A key of a server on loopback, and its certificate, which it signed itself: files, in a folder of their own. */
export class Certificate {
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'holdfast-certificate-'));
  readonly cert = path.join(this.#folder, 'cert.pem');
  readonly key = path.join(this.#folder, 'key.pem');

  constructor() {
    const { status, stderr } = spawnSync(
      'openssl',
      [
        ...['req', '-x509', '-nodes', '-days', '2', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
        ...['-keyout', this.key, '-out', this.cert],
      ],
      { encoding: 'utf8' },
    );
    if (status !== 0) throw new Error(`openssl failed: ${stderr}`);
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
