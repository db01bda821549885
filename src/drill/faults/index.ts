import type { Fault } from '../scene.js';
import { block } from './block.js';
import { clock } from './clock.js';
import { contention } from './contention.js';
import { crash } from './crash.js';
import { cut } from './cut.js';
import { failover } from './failover.js';
import { freeze } from './freeze.js';
import { revocation } from './revocation.js';

/** Every fault of a drill, in the order in which they are tried. */
export const faults: readonly Fault[] = [crash, freeze, block, cut, clock, revocation, contention, failover];
