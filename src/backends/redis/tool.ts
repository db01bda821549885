import { shellWord } from '../../core/shell-word.js';
import type { Target } from './url.js';

/** How the server's own tool is called to reach it, for commands that a person runs. A password is not repeated, but asked for. */
export function toolOf({ kind, addresses, tls, username, password, database, master }: Target): string {
  const [{ host, port }] = addresses;
  const secured = tls ? ' --tls' : '';
  const login = password === undefined ? '' : `${username === undefined ? '' : ` --user ${shellWord(username)}`} --askpass`;
  const where = kind === 'sentinel' ? masterOf(host, port, master ?? '') : `-h ${host} -p ${port}`;
  const base = database === 0 ? '' : ` -n ${database}`;
  return `redis-cli${secured}${kind === 'cluster' ? ' -c' : ''} ${where}${base}${login}`;
}

/** Asked for when the command is run: it may be another one by then. */
function masterOf(host: string, port: number, master: string): string {
  const ask = `redis-cli -h ${host} -p ${port} --raw SENTINEL get-master-addr-by-name ${shellWord(master)}`;
  return `$(${ask} | sed '1s/^/-h /;2s/^/-p /')`;
}
