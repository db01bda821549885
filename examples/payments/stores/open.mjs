/** Everything that the service keeps: records of requests, the ledger with its events, and locks. */
export async function openStores(settings) {
  if (settings.stores === 'sqlite') return (await import('./sqlite.mjs')).openSqlite(settings);
  return (await import('./postgres.mjs')).openPostgres(settings);
}
