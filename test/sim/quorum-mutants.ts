import { type Mutant, mutant } from './mutants.js';

const round = 'backends/redlock/protocol/round.js';
const group = 'backends/redlock/protocol/group.js';
const renewing = 'backends/redlock/protocol/renewing.js';
const node = 'testkit/sim/quorum/virtual-node.js';
const past = 'testkit/sim/quorum/past.js';

const takeBackSilent =
  'for (const member of this.#silent.keys())\n            if (this.#asked.has(member))\n                this.#takeBack(member);';

/** Bugs of a quorum: in the protocol as it is compiled, or in the rules of its nodes where those keep a promise. */
export const quorumMutants: readonly Mutant[] = [
  mutant(
    'no-write-back',
    'The highest fence is shown without being written back: a later majority may not know of it.',
    [round, 'if (this.#confirmed.size >= quorum)\n            this.#granted(claim, false);', 'this.#granted(claim, false);'],
    [round, 'for (const member of others)\n            this.#writeBack(member, claim);', ''],
  ),
  mutant('lowest-fence', 'The voters agree on the lowest of their fences.', [
    round,
    '(b.first > a.first ? b : a)',
    '(b.first < a.first ? b : a)',
  ]),
  mutant('amnesiac-votes', 'A node that lost its data votes at once: for a name that it has given away.', [
    past,
    'past === undefined && trustNew ? nowMs : nowMs + graceMs',
    'nowMs',
  ]),
  mutant('stranger-votes', 'A node does not look for which incarnation it is asked: it votes by the data of a crashed one.', [
    node,
    'incarnation === this.#incarnation && past?.incarnation === incarnation',
    'past !== undefined',
  ]),
  mutant(
    'validity-from-replies',
    'The time that the votes took is not taken off the TTL.',
    [
      'core/live-hold.js',
      'this.#state = startHold(sentAt, grant.ttlMs);',
      'this.#state = startHold(context.ports.now(), grant.ttlMs);',
    ],
    [round, 'if (tookMs > ttlMs * usefulRatio) {', 'if (false) {'],
  ),
  mutant('renewal-counted-late', 'A renewal counts from when the last of a majority answered.', [
    'core/hold.js',
    'const deadline = deadlineFor(sentAt, answer.ttlMs);',
    'const deadline = deadlineFor(now, answer.ttlMs);',
  ]),
  mutant(
    'released-on-yes-only',
    'After a failed round only nodes that said yes are told: a silent one keeps its vote.',
    [round, takeBackSilent, ''],
    [round, "if (this.#phase === 'over')\n                this.#takeBack(member);\n            this.#count();", 'this.#count();'],
  ),
  mutant('nothing-taken-back', 'A round that failed leaves its votes where they are.', [
    round,
    'for (const member of this.#yes.keys())\n            this.#takeBack(member);',
    '',
  ]),
  mutant('half-is-enough', 'Half of the nodes, rounded down, is taken for a majority.', [
    group,
    'Math.floor(nodes.length / 2) + 1',
    'Math.floor(nodes.length / 2)',
  ]),
  mutant('grace-renews', 'A renewal by a node that sits out its grace counts like any other.', [
    renewing,
    "answer.value.state === 'votes' && doubts",
    'doubts',
  ]),
  mutant('late-ballot', 'What is taken back is not remembered: a ballot that arrives later gets its vote all the same.', [
    node,
    'bury(cell, owner, this.#nowMs, round);',
    '',
  ]),
  mutant('node-plain-delete', 'A node releases whoever holds the name by now.', [
    node,
    "if (lock?.ask.owner === owner) {\n            this.#free(cell, name);\n            return 'released';",
    "if (lock !== undefined) {\n            this.#free(cell, name);\n            return 'released';",
  ]),
  mutant('counter-only-fence', 'A node’s fences are a bare counter: it begins anew where its data is lost.', [
    node,
    'this.#mint(cell.fence.last, standing.nowUs, Math.floor(proposal))',
    'cell.fence.last + 1',
  ]),
];
