/** Fences stay below 2^63 so that every store's signed 64-bit integer holds them. */
export const fenceMax = 2n ** 63n - 1n;

/**
 * The next range of fences: above the previous one and not below the clock.
 *
 * The clock floor keeps the order when a store lost its counter; the counter keeps it when the clock
 * was stepped back. (After Lamport's clocks; the floor is what Redisson's and etcd3's counters lack.)
 *
 * @param previous last fence ever minted for the name, 0n if none is known
 * @param wallUs the store's wall clock in microseconds
 * @param count how many fences to mint, at least 1
 */
export function mintFences(previous: bigint, wallUs: bigint, count: number): { first: bigint; last: bigint } {
  const first = previous + 1n > wallUs ? previous + 1n : wallUs;
  const last = first + BigInt(count) - 1n;
  if (last > fenceMax) throw new RangeError(`fence ${last} is beyond 2^63 - 1`);
  return { first, last };
}
