/**
 * The targets whose figures were measured, each with its verdict. A target measures a number, or a number and whose it is;
 * undefined if those that it compares were not asked for. What failed is NaN and meets nothing.
 */
export function judge(suite, measured) {
  const figures = Object.fromEntries(
    measured.map(({ work, rows }) => [work.key, Object.fromEntries(rows.map((row) => [row.contender, row]))]),
  );
  return suite.targets
    .filter(({ needs = [] }) => needs.every(([work, contender]) => figures[work]?.[contender] !== undefined))
    .map((target) => ({ target, found: target.measure(figures) }))
    .filter(({ found }) => found !== undefined)
    .map(({ target, found }) => {
      const { value, by } = typeof found === 'number' ? { value: found } : found;
      const shown = target.show?.(value);
      return { says: target.says, measured: value, met: target.met(value), ...(by && { by }), ...(shown && { shown }) };
    });
}
