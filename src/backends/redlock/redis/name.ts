/** Where a client leads, as far as it tells; else its number. For messages. */
export function nameOf(client: unknown, index: number): string {
  const options = objectIn(client, 'options');
  const socket = objectIn(options, 'socket') ?? options;
  const { host = 'localhost', port } = (socket ?? {}) as { readonly host?: unknown; readonly port?: unknown };
  if (typeof host !== 'string' || typeof port !== 'number') return `node ${index + 1}`;
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function objectIn(value: unknown, key: string): object | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  return typeof found === 'object' && found !== null ? found : undefined;
}
