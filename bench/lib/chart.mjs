import { writeFileSync } from 'node:fs';
import { perSecond } from './figures.mjs';

const panel = { width: 460, head: 34, row: 20, gap: 18 };
const labelWidth = 200;
const barWidth = panel.width - labelWidth - 80;
const margin = 16;

/** The chart of a suite as an SVG file next to the page with its tables: `benchmarks.md` has `benchmarks-redis.svg`. */
export function chartBeside(page, suite, result) {
  const panels = panelsOf(suite, result);
  if (panels.length > 0) writeFileSync(page.replace(/\.md$/, `-${suite.name}.svg`), chart(suite, panels));
}

/** One panel per work whose pairs were counted: the contenders with their pairs per second. */
function panelsOf({ contenders }, { measured }) {
  return measured
    .filter(({ work }) => work.kind === 'pairs')
    .map(({ work, rows }) => ({
      title: work.title,
      bars: rows.map((row) => {
        const { label, ours = false } = contenders.find(({ key }) => key === row.contender);
        return { label, ours, value: row.pairsPerSecond };
      }),
    }));
}

function chart({ chart: title }, panels) {
  const columns = Math.min(2, panels.length);
  const rows = Math.max(...panels.map(({ bars }) => bars.length));
  const panelHeight = panel.head + rows * panel.row + panel.gap;
  const width = margin * 2 + columns * panel.width + (columns - 1) * margin;
  const height = 44 + Math.ceil(panels.length / columns) * panelHeight + margin;
  const drawn = panels.map((each, index) => {
    const x = margin + (index % columns) * (panel.width + margin);
    const y = 44 + Math.floor(index / columns) * panelHeight;
    return `<g transform="translate(${x} ${y})">${panelOf(each)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${style}</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="8"/>`,
    `<text class="title" x="${margin}" y="28">${escaped(title)}</text>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

function panelOf({ title, bars }) {
  const most = Math.max(...bars.map(({ value = 0 }) => value), 1);
  const lines = bars.map(({ label, ours, value }, index) => {
    const y = panel.head + index * panel.row;
    const length = value === undefined ? 0 : Math.max(1, (value / most) * barWidth);
    const told = value === undefined ? 'failed' : perSecond(value);
    return [
      `<text class="${ours ? 'ours' : 'label'}" x="${labelWidth - 8}" y="${y + 11}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${ours ? 'our bar' : 'bar'}" x="${labelWidth}" y="${y}" width="${length.toFixed(1)}" height="14" rx="2"/>`,
      `<text class="${ours ? 'ours' : 'label'}" x="${(labelWidth + length + 6).toFixed(1)}" y="${y + 11}">${told}</text>`,
    ].join('');
  });
  return [`<text class="work" x="0" y="20">${escaped(title)}</text>`, ...lines].join('\n');
}

/** With a ground of its own, so that it can be read whatever the page around it looks like. */
const style = `
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 } .work { font-weight: 600 } .ours { font-weight: 600 }
.label { fill: #59636e } .bar { fill: #afb8c1 } .our { fill: #0969da } .ground { fill: #ffffff }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .label { fill: #9198a1 } .bar { fill: #59636e } .our { fill: #4493f8 } .ground { fill: #0d1117 }
}
`;

function escaped(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);
}
