import process from 'node:process';

/** The machine's monotonic clock, in milliseconds: the same for all processes of one machine, unlike `performance.now()`. */
export function machineMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
