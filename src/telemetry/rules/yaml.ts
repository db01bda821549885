export type Yaml = string | number | boolean | readonly Yaml[] | { readonly [key: string]: Yaml | undefined };

/** Words that YAML takes for something else than text. */
const notText = /^(?:true|false|null|yes|no|on|off|y|n|~)$/i;
const plain = /^(?:[A-Za-z_/][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*|[0-9]+(?:ms|[smhd]))$/;

/**
 * Writes what rules and routes are made of: block style, two spaces, texts of many lines as blocks. Keys are plain words.
 * What is not plainly a word is quoted: within single quotes nothing has a meaning, and JSON's are YAML's too.
 */
export function yaml(value: Yaml, indent = ''): string {
  if (typeof value === 'string') return text(value, indent);
  if (typeof value !== 'object') return ` ${value}\n`;
  if (isList(value)) {
    if (value.length === 0) return ' []\n';
    return `\n${value.map((item) => `${indent}- ${yaml(item, `${indent}  `).replace(/^\s+/, '')}`).join('')}`;
  }
  const entries = Object.entries(value).filter((entry): entry is [string, Yaml] => entry[1] !== undefined);
  if (entries.length === 0) return ' {}\n';
  return `\n${entries.map(([key, inner]) => `${indent}${key}:${yaml(inner, isList(inner) || isMap(inner) ? `${indent}  ` : indent)}`).join('')}`;
}

function text(value: string, indent: string): string {
  if (value.includes('\n')) return ` |-\n${value.replace(/^(?=.)/gm, `${indent}  `)}\n`;
  if (plain.test(value) && !notText.test(value)) return ` ${value}\n`;
  return ` ${/^[ -~]*"[ -~]*$/.test(value) ? `'${value.replaceAll("'", "''")}'` : JSON.stringify(value)}\n`;
}

function isList(value: Yaml): value is readonly Yaml[] {
  return Array.isArray(value);
}

function isMap(value: Yaml): boolean {
  return typeof value === 'object' && !isList(value);
}
