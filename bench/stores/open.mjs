/** Opens one contender of a store, within a process of its own. */
export async function open({ store, peer, ...options }) {
  const { peers } = await import(store);
  return peers[peer](options);
}
