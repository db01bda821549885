import { machine as machineOf } from '../redis/suite.mjs';
import { contenders as all, holdfasts, peers } from './contenders.mjs';
import { startNodes } from './nodes.mjs';
import { targetsOf } from './targets.mjs';

export const title = 'five Redis servers: nothing on disk, TCP over loopback, one connection per process and server';
export const chart = 'Redlock: pairs of acquire and release per second';
export const contenders = all;
export const works = ['solo', 'inproc', 'xproc', 'handover', 'stopped'];
export const targets = targetsOf(holdfasts, peers);
export const start = startNodes;
export const machine = machineOf;
