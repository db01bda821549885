import { delayed } from '../lib/delay.mjs';
import { startNodes } from '../redlock/nodes.mjs';
import { contenders as all, chart as chartOf, machine as machineOf, targets as targetsOf } from '../redlock/suite.mjs';

/**
 * In each direction. Machines of one zone are a few tenths of a millisecond apart, there and back; zones of one region, which is where nodes
 * stand that share no fate, one to two.
 */
const delayMsDefault = 1;

export const title = ({ delayMs = delayMsDefault }) =>
  `five Redis servers, each ${delayMs} ms away in each direction; else as above`;
export const chart = `${chartOf}, servers ${delayMsDefault} ms away`;
export const contenders = all;
export const works = ['solo', 'xproc', 'handover'];
export const targets = targetsOf;
export const machine = machineOf;

/** Nodes that are independent are not on the client's machine: there they share its processors, and no way lies between. */
export async function start({ delayMs = delayMsDefault, ...options }) {
  const nodes = await startNodes(options);
  const ways = await Promise.all(nodes.options.ports.map((port) => delayed(port, delayMs)));
  return {
    options: { ports: ways.map(({ port }) => port) },
    empty: (work) => nodes.empty(work),
    async stop() {
      for (const way of ways) await way.stop();
      await nodes.stop();
    },
  };
}
