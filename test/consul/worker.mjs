// A holder in a process of its own: `worker.mjs <address> <name> <ttlMs>`; prints its fence, and holds until it is killed.
import process from 'node:process';
import { Holdfast } from 'holdfast';
import { consul } from 'holdfast/consul';

const [address, name, ttlMs] = process.argv.slice(2);
const locks = new Holdfast(consul({ addresses: [address] }), { ttlMs: Number(ttlMs) });
const lease = await locks.acquire(name);
process.stdout.write(`${lease.fence}\n`);
