import type { Finding } from '../../../core/backend.js';
import type { Table } from '../table.js';

export async function findings(table: Table): Promise<readonly Finding[]> {
  table.assertOpen();
  return [];
}
