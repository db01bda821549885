/** Names that may be meant for one thing. */
export interface Similar {
  /** `case`: upper and lower case alone. `prefix`: one has something in front of the other. */
  readonly differs: 'case' | 'prefix';
  readonly names: readonly string[];
}

/** What parts a prefix from what it stands in front of. */
const separators = /[:/._|-]/g;
/** Ends that mean something: not a number, which many unrelated names end with. */
const meaning = /\p{L}.*\p{L}.*\p{L}/u;

/** Groups of names that differ in case or prefix alone; each name is looked at a few times, whatever their number. */
export function similarNames(names: ReadonlySet<string>): readonly Similar[] {
  return [...byCase(names), ...byPrefix(names)];
}

function byCase(names: ReadonlySet<string>): readonly Similar[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    const folded = name.toLowerCase();
    const group = groups.get(folded);
    if (group === undefined) groups.set(folded, [name]);
    else group.push(name);
  }
  return [...groups.values()].filter(({ length }) => length > 1).map((group) => ({ differs: 'case', names: group.sort() }));
}

function byPrefix(names: ReadonlySet<string>): readonly Similar[] {
  const groups = new Map<string, string[]>();
  for (const name of names) {
    for (const { index } of name.matchAll(separators)) {
      const rest = name.slice(index + 1);
      if (!names.has(rest) || !meaning.test(rest)) continue;
      const group = groups.get(rest);
      if (group === undefined) groups.set(rest, [rest, name]);
      else group.push(name);
    }
  }
  return [...groups.values()].map((group) => ({ differs: 'prefix', names: group }));
}
