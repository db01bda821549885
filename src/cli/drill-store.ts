import type { Backend } from '../core/backend.js';
import type { Surroundings } from '../drill/scene.js';
import { backendUrl, openBackend, schemeOf } from './backends.js';
import { usage } from './exit.js';
import { type Loaded, loadModule } from './module.js';

interface Given {
  readonly backend?: string;
  readonly module?: string;
  readonly failOver: boolean;
}

export interface DrillStore {
  readonly backend: Backend;
  readonly around: Surroundings;
}

const noFailover = 'this store has none that can be asked for';

/** The store under drill, and what workers need to open it themselves. @throws CliError */
export async function openForDrill({ backend, module, failOver }: Given): Promise<DrillStore> {
  if (module !== undefined) {
    if (backend !== undefined) throw usage('--module opens the store itself: leave out --backend');
    const loaded = await loadModule(module);
    const around = { opener: { module: loaded.url, export: 'open', args: [] }, failOver: { why: noFailover } };
    return { backend: await openedBy(module, loaded), around };
  }
  const url = backendUrl(backend);
  const opened = await openBackend(url);
  const opener = { module: new URL('./backends.js', import.meta.url).href, export: 'openBackend', args: [url] };
  const port = schemeOf(url)?.port;
  const tcp = port === undefined ? {} : { tcp: { url, portDefault: port } };
  return { backend: opened, around: { opener, ...tcp, failOver: await failoverOf(url, failOver) } };
}

async function failoverOf(url: string, wanted: boolean): Promise<Surroundings['failOver']> {
  const failOver = await schemeOf(url)?.failOver?.(url);
  if (failOver === undefined) return { why: noFailover };
  return wanted ? failOver : { why: 'it concerns everybody who uses this store: ask for it with --failover' };
}

async function openedBy(file: string, { exports: { open } }: Loaded): Promise<Backend> {
  if (typeof open !== 'function') throw usage(`${file} exports no open(): export async function open() that returns a backend`);
  const backend = (await (open as () => unknown)()) as Partial<Backend> | undefined;
  if (typeof backend?.acquire === 'function') return backend as Backend;
  throw usage(`open() of ${file} returns no backend: return what sqlite(), redis(client) or another store's function returns`);
}
