export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** By the wall clock: it is the one that all processes share. */
export function until(epochMs) {
  return pause(Math.max(0, epochMs - Date.now()));
}
