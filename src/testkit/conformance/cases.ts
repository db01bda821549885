import { abandon } from './abandon.js';
import { acquire } from './acquire.js';
import { close } from './close.js';
import { examine } from './examine.js';
import { fences } from './fences.js';
import type { CaseDefinition } from './helpers.js';
import { list } from './list.js';
import { loss } from './loss.js';
import { names } from './names.js';
import { queue } from './queue.js';
import { release } from './release.js';
import { renew } from './renew.js';
import { revoke } from './revoke.js';
import { shared } from './shared.js';
import { watch } from './watch.js';
import { weblocks } from './weblocks.js';
import { weblocksTurns } from './weblocks-turns.js';

export const definitions: readonly CaseDefinition[] = [
  ...acquire,
  ...renew,
  ...release,
  ...abandon,
  ...queue,
  ...shared,
  ...fences,
  ...names,
  ...revoke,
  ...list,
  ...examine,
  ...watch,
  ...loss,
  ...close,
  ...weblocks,
  ...weblocksTurns,
];
