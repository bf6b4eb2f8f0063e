/** What the page of a report does: puts its plots and tables in place, and hands them out as pictures and files. */
import type { Chart } from './chart.ts';
import type { FigureLine, ReportData } from './report-data.ts';
import type { ReportPlots } from './report-plots.ts';

interface PageData extends ReportData {
  readonly configurationHead: readonly string[];
}

// The page has the script of the plots before this one.
declare const reportPlots: ReportPlots;
const { short, percent, colourOf, barPlot, linePlot, placePlot, roofPlot } = reportPlots;
const PLOTS = { bars: barPlot, lines: linePlot, places: placePlot } as const;

const data = JSON.parse(document.getElementById('data')!.textContent!) as PageData;

function element<Name extends keyof HTMLElementTagNameMap>(name: Name, text = '', className = ''): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function save(name: string, blob: Blob): void {
  const link = element('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function svgText(svg: SVGElement): string {
  const copy = svg.cloneNode(true) as SVGElement;
  copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return new XMLSerializer().serializeToString(copy);
}

/** Twice the size, so that it is sharp on paper and on dense screens. */
async function savePng(name: string, svg: SVGElement): Promise<void> {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svgText(svg)], { type: 'image/svg+xml' }));
  await image.decode();
  const canvas = element('canvas');
  [canvas.width, canvas.height] = [2 * svg.clientWidth, 2 * svg.clientHeight];
  canvas.getContext('2d')!.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(`${name}.png`, blob!), 'image/png');
}

const csvCell = (cell: string) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
const csv = (rows: readonly (readonly string[])[]) => `${rows.map((row) => row.map(csvCell).join(',')).join('\n')}\n`;
const markdown = ([head, ...rows]: readonly (readonly string[])[]) =>
  [head!, head!.map(() => '---'), ...rows].map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`).join('');

function button(label: string, action: () => unknown): HTMLButtonElement {
  const made = element('button', label);
  made.type = 'button';
  made.onclick = async () => {
    await action();
    const before = made.textContent;
    made.textContent = 'Done';
    setTimeout(() => (made.textContent = before), 900);
  };
  return made;
}

function tableTools(name: string, rows: readonly (readonly string[])[]): HTMLElement {
  const tools = element('div', '', 'tools');
  tools.append(
    button('Copy as Markdown', () => navigator.clipboard.writeText(markdown(rows))),
    button('CSV', () => save(`${name}.csv`, new Blob([csv(rows)], { type: 'text/csv' }))),
  );
  return tools;
}

function tableOf(rows: readonly (readonly string[])[], numbers: readonly number[]): HTMLElement {
  const frameElement = element('div', '', 'scroll');
  frameElement.tabIndex = 0;
  const table = element('table');
  const [head, ...body] = rows;
  const headRow = table.createTHead().insertRow();
  for (const cell of head!) headRow.append(element('th', cell));
  const bodyElement = table.createTBody();
  for (const row of body) {
    const line = bodyElement.insertRow();
    row.forEach((cell, i) => line.append(element('td', cell, numbers.includes(i) ? 'number' : '')));
  }
  frameElement.append(table);
  return frameElement;
}

const pointRows = (chart: Chart) => [
  ['engine', 'setting', 'model', 'when and where', chart.xLabel || 'measure', chart.unit, 'low', 'high', 'of the limit', ''],
  ...chart.points.map(({ engine, setting = '', model, occasion = '', x, y, low, high, share, published }) => [
    engine,
    setting,
    model,
    occasion,
    String(x),
    String(y),
    String(low),
    String(high),
    percent(share),
    published ?? '',
  ]),
];

interface Drawing {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  readonly rows?: readonly (readonly string[])[];
  readonly draw: (width: number) => SVGElement;
}

/** The svg itself where Plot wraps it, as it does beside a legend. */
const svgIn = (drawn: Element): SVGElement => (drawn instanceof SVGElement ? drawn : drawn.querySelector('svg')!);

function section({ id, title, note, rows, draw }: Drawing): { readonly element: HTMLElement; redraw(): void } {
  const made = element('section');
  made.id = id;
  const place = element('div', '', 'plot');
  place.setAttribute('role', 'img');
  place.setAttribute('aria-label', title);
  let svg: SVGElement;
  const tools = rows === undefined ? element('div', '', 'tools') : tableTools(id, rows);
  tools.append(
    button('SVG', () => save(`${id}.svg`, new Blob([svgText(svg)], { type: 'image/svg+xml' }))),
    button('PNG', () => savePng(id, svg)),
  );
  made.append(element('h2', title), element('p', note, 'note'), place, tools);
  return {
    element: made,
    redraw() {
      const drawn = draw(Math.max(280, place.clientWidth || made.clientWidth));
      svg = svgIn(drawn);
      place.replaceChildren(drawn);
    },
  };
}

const FIGURE_HEAD = [
  'model', 'engine', 'setting', 'measure', 'median', 'unit', 'least to most', '95% of the median', 'runs', 'of the limit', 'drifted',
  'device', 'day', 'commit',
];
/** Columns of numbers. */
const FIGURE_NUMBERS = [4, 6, 7, 8, 9, 10];
const figureRow = (line: FigureLine) => [
  line.model, line.engine, line.setting, line.measure, short(line.median), line.unit, `${short(line.min)} to ${short(line.max)}`,
  `${short(line.low)} to ${short(line.high)}`, String(line.runs), percent(line.share),
  line.drift === undefined ? '' : percent(line.drift), line.device, line.day, line.commit,
];

function legend(): HTMLElement {
  const made = element('ul', '', 'legend');
  const drawn = new Set(
    data.charts
      .filter(({ id }) => id !== 'drift')
      .flatMap(({ points }) => points.filter(({ published }) => !published).map(({ engine }) => engine)),
  );
  for (const engine of drawn) {
    const item = element('li', engine);
    item.style.setProperty('--colour', colourOf(engine));
    made.append(item);
  }
  return made;
}

function build(): void {
  const main = document.querySelector('main')!;
  const drawings: Drawing[] = data.charts.map((chart) => ({
    ...chart,
    rows: pointRows(chart),
    draw: (width: number) => PLOTS[chart.kind](chart, width),
  }));
  const { roofline } = data;
  if (roofline !== undefined) {
    const note =
      'Left: decoding, which reads all weights for a few multiply-adds each. Right: reading prompts. The line is what copying reaches on ' +
      'the device, or the rate of multiply-adds where it was stated; only a model that fits in caches can pass it.';
    drawings.push({ id: 'roofline', title: 'Beside the limits of the machine', note, draw: (width) => roofPlot(roofline, width) });
  }
  const sections = drawings.map(section);
  const tables = [
    { title: 'All figures', id: 'figures', rows: [FIGURE_HEAD, ...data.figures.map(figureRow)], numbers: FIGURE_NUMBERS },
    { title: 'What ran', id: 'configurations', rows: [data.configurationHead, ...data.configurations], numbers: [] },
  ].map(({ title, id, rows, numbers }) => {
    const made = element('section');
    made.id = id;
    made.append(element('h2', title), tableOf(rows, numbers), tableTools(id, rows));
    return made;
  });
  main.append(
    legend(),
    ...sections.map((one) => one.element),
    ...tables,
    ...data.notes.map((note) => element('p', `Note: ${note}`, 'note')),
  );
  const redraw = () => sections.forEach((one) => one.redraw());
  redraw();
  let waiting: ReturnType<typeof setTimeout> | undefined;
  new ResizeObserver(() => {
    clearTimeout(waiting);
    waiting = setTimeout(redraw, 100);
  }).observe(main);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  document.getElementById('theme')!.onclick = () => {
    document.documentElement.dataset['theme'] = document.documentElement.dataset['theme'] === 'other' ? '' : 'other';
    redraw();
  };
}

build();
