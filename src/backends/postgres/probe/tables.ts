import type { Finding } from '../../../core/backend.js';
import { grants } from '../sql/setup.js';
import { identifier } from '../sql/text.js';
import type { Facts } from './facts.js';

/** Below it, dead rows cost nothing. */
const deadMin = 20_000;
const deadRatioMax = 5;

/** Whether our tables are there, may be used, and are in order. */
export function ourTables(
  { installed, upToDate, mayUse, mayCreate, tables, settings, role, database }: Facts,
  schema: string,
): readonly Finding[] {
  if (!mayUse || (installed && tables.some(({ allowed }) => !allowed))) return [notAllowed(schema, role)];
  if (!upToDate) return [mayCreate ? notYet(schema, lackOf(installed)) : notCreatable(schema, installed, role, database)];
  const found: Finding[] = [];
  for (const { name, live, dead, bytes } of tables) {
    if (dead < deadMin || dead < live * deadRatioMax) continue;
    found.push({
      severity: 'warning',
      what: `${schema}.${name} has ${dead} dead rows beside ${live} living ones, and takes ${Math.round(bytes / 1_048_576)} MB`,
      why: 'every call reads past them: autovacuum does not keep up, or an old transaction keeps it from working',
      fix: `VACUUM ${identifier(schema)}.${identifier(name)};`,
    });
  }
  if (settings['autovacuum'] === 'off') {
    found.push({
      severity: 'warning',
      what: 'autovacuum is off',
      why: 'every grant, release and renewal leaves a dead row, which nobody takes out',
      fix: 'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();',
    });
  }
  return found;
}

function notAllowed(schema: string, role: string): Finding {
  return {
    severity: 'critical',
    what: `the role "${role}" may not use all tables of the schema ${schema}`,
    why: 'calls fail',
    fix: grants(schema, role).replace(/\n/g, ' '),
  };
}

function lackOf(installed: boolean): string {
  return installed ? 'no functions of this version of Holdfast' : 'no tables of Holdfast';
}

function notYet(schema: string, lack: string): Finding {
  return {
    severity: 'info',
    what: `the schema ${schema} has ${lack} yet`,
    why: 'they are created on first use; is this the right database?',
    fix: 'use it once, or run what setupSql() answers',
  };
}

function notCreatable(schema: string, installed: boolean, role: string, database: string): Finding {
  const where = installed ? `SCHEMA ${identifier(schema)}` : `DATABASE ${identifier(database)}`;
  return {
    severity: 'critical',
    what: `the schema ${schema} has ${lackOf(installed)}, and the role "${role}" may not create them`,
    why: 'calls fail',
    fix: `run what setupSql({ schema: '${schema}', role: '${role}' }) answers, or: GRANT CREATE ON ${where} TO ${identifier(role)};`,
  };
}
