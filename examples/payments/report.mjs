/** The audit, for people. */
export function report(found, { requests, guards, seed }) {
  const { doubleCharges, lostOrders, orphanEvents, missingEvents, unchargedOrders, contradictions, frozen, resolved } = found;
  const rows = [
    ['requests', `${requests}, guards ${guards ? 'on' : 'off'}, seed ${seed}, ${(found.tookMs / 1_000).toFixed(1)} s`],
    ['answers', counts(found.answers)],
    ['faults', counts(found.faults)],
    ['charges', found.charges],
    ['charged twice', doubleCharges],
    ['lost orders', lostOrders],
    ['orders never charged', unchargedOrders],
    ['events without an order', orphanEvents],
    ['orders without an event', missingEvents],
    ['answers that are not true', contradictions],
    ['clients without an answer', found.unanswered],
    ['workers that crashed', found.crashes],
    ['requests frozen', `${frozen}, of which resolved ${resolved}, tried again ${found.retried}, disputed ${found.disputed}`],
  ];
  for (const [name, value] of rows) console.log(`${name.padEnd(28)}${value}`);
  for (const [name, orders] of Object.entries(found.examples)) {
    if (orders.length > 0) console.log(`  ${name}: ${orders.slice(0, 10).join(', ')}${orders.length > 10 ? ', …' : ''}`);
  }
}

const counts = (object) =>
  Object.entries(object)
    .map(([name, count]) => `${name}: ${count}`)
    .join(', ');
