import type { Finding } from '../../../core/backend.js';
import type { Facts } from './facts.js';

const versionMin = 130_000;
const apartMsMax = 1_000;

/** What the server is. `sentMs`, `gotMs`: our wall clock around the question. */
export function server({ version, recovery, settings, epochMs, role }: Facts, sentMs: number, gotMs: number): readonly Finding[] {
  const found: Finding[] = [];
  if (version < versionMin) {
    found.push({
      severity: 'critical',
      what: `the server is PostgreSQL ${Math.floor(version / 10_000)}`,
      why: 'Holdfast was made for version 13 and later',
      fix: 'use a newer server',
    });
  }
  if (recovery) {
    found.push({
      severity: 'critical',
      what: 'the server is a read replica, or is being recovered',
      why: 'it takes no locks, and what it shows may be old',
      fix: 'connect to the primary: with several hosts, ask the client for one that is read-write (target_session_attrs)',
    });
  }
  const doubtMs = (gotMs - sentMs) / 2;
  const aheadMs = epochMs - sentMs - doubtMs;
  if (Math.abs(aheadMs) - doubtMs > apartMsMax) {
    found.push({
      severity: 'warning',
      what: `the server's clock is ${(Math.abs(aheadMs) / 1_000).toFixed(1)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`,
      why: 'leases mind no clock but the server’s, yet fences follow it: if another server takes over whose clock is behind, or this one is set back, and the last fences are lost as well, a fence may come again',
      fix: 'let NTP keep the time on every machine: timedatectl set-ntp true',
    });
  }
  const isolation = settings['default_transaction_isolation'];
  if (isolation !== 'read committed' || settings['default_transaction_read_only'] === 'on') {
    found.push({
      severity: 'info',
      what: `transactions are ${isolation}${settings['default_transaction_read_only'] === 'on' ? ' and read only' : ''} by default`,
      why: 'Holdfast asks for another kind with each of its statements, which costs a little',
      fix: `ALTER ROLE "${role}" RESET default_transaction_isolation; ALTER ROLE "${role}" RESET default_transaction_read_only;`,
    });
  }
  return found;
}
