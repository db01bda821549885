/**
 * The version of everything in this folder. Functions carry it in their names, so that processes with two versions of this library can
 * share the tables while they are rolled out. What was released never changes: a new version adds functions, and columns with defaults.
 */
export const version = 1;
