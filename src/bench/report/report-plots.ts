/** The plots of a report, drawn in its page by Observable Plot. The page's next script takes them from `reportPlots`. */
import type { Chart, Point } from './chart.ts';
import type { Roof, Roofline } from './roofline.ts';

// The page has the libraries' files before this one.
declare const Plot: any;
declare const d3: any;

/** One colour for an engine in all charts; Okabe and Ito's, which people who see few colours tell apart. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#d55e00', '#56b4e9', '#8c8c8c', '#b8a200'];
const colours = new Map<string, string>();

function colourOf(engine: string): string {
  const colour = colours.get(engine) ?? COLOURS[colours.size % COLOURS.length]!;
  colours.set(engine, colour);
  return colour;
}

/** Of what others published: the engine's own where it was measured too, else none. */
function colourOfBar({ engine, published }: Point): string {
  return published ? (colours.get(engine.split(',')[0]!) ?? '#8c8c8c') : colourOf(engine);
}

const short = (value: number) =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
const percent = (share: number | undefined) => (share === undefined ? '' : `${Math.round(100 * share)}%`);
const isDark = () => matchMedia('(prefers-color-scheme: dark)').matches !== (document.documentElement.dataset['theme'] === 'other');

const modelName = (file: string) => file.replace(/\.gguf$/, '');

function tipOf(chart: Chart, point: Point): string {
  const { engine, setting, x, y, low, high, share, published } = point;
  const place = chart.kind === 'bars' ? '' : `${chart.xLabel} ${short(Number(x))}`;
  const lines = [engine, setting, headingOf(point), place, `${short(y)} ${chart.unit}`];
  const more = [
    low < high ? `95%: ${short(low)} to ${short(high)}` : '',
    share === undefined ? '' : `${percent(share)} of the limit`,
    published,
  ];
  return [...lines, ...more].filter(Boolean).join('\n');
}

/** Settings that all plots share, so that a picture taken of one needs no style sheet. */
function frame(width: number) {
  return {
    width,
    style: {
      background: isDark() ? '#16191d' : '#ffffff',
      color: isDark() ? '#e8eaed' : '#1d2126',
      fontSize: '12px',
      fontFamily: 'system-ui, sans-serif',
    },
  };
}

/** A line of a chart of bars: the name of a model, or a bar. */
interface BarRow {
  readonly key: string;
  readonly name: string;
  readonly point?: Point | undefined;
}

const headingOf = ({ model, occasion }: Point) => `${modelName(model)}${occasion ? `, ${occasion}` : ''}`;

/** Models in their order, each occasion by itself, the bars of each from the best on. */
function barRows({ points, unit }: Chart): BarRow[] {
  const headings = [...new Set(points.map(headingOf))];
  const sign = unit === 'ms' || unit === 'MB' ? 1 : -1;
  return headings.flatMap((heading) => {
    const bars = points.filter((point) => headingOf(point) === heading).sort((a, b) => sign * (a.y - b.y));
    const nameOf = ({ engine, setting }: Point) => (setting ? `${engine} (${setting})` : engine);
    return [
      { key: heading, name: heading },
      ...bars.map((point) => ({ key: `${heading}|${point.engine}`, name: nameOf(point), point })),
    ];
  });
}

const barLabel = ({ unit }: Chart, { y, share }: Point) =>
  `${short(y)} ${unit}${share === undefined ? '' : `, ${percent(share)} of the limit`}`;

/** What others published has its engine, weights and chip before it. */
function narrowLabel(chart: Chart, bar: NamedBar): string {
  const { name, published } = bar;
  if (published) return `${name.replace(' Apple ', ' ')}: ${barLabel(chart, { ...bar, share: undefined })}`;
  return `${name}: ${barLabel(chart, bar).replace(' of the limit', '')}`;
}

/** Names that are longer than the page is wide end in dots; a bar's or a point's tip has them whole. */
const within = (width: number) => ({ fontWeight: 600, lineWidth: (width - 76) / 12, textOverflow: 'ellipsis' });

type NamedBar = Point & { readonly name: string };

/** On a narrow page names and figures stand above their bars. */
function barPlot(chart: Chart, width: number): SVGElement {
  const rows = barRows(chart);
  const names = new Map(rows.map(({ key, name, point }) => [key, point === undefined ? '' : name]));
  const heads = rows.filter(({ point }) => point === undefined);
  const bars = rows.flatMap(({ key, name, point }) => (point === undefined ? [] : [{ ...point, key, name }]));
  const isWide = width > 560;
  const marginLeft = isWide ? Math.min(290, 16 + 6.6 * Math.max(...[...names.values()].map((name) => name.length))) : 10;
  const most = Math.max(...bars.map(({ y, high }) => Math.max(y, high)));
  const label = isWide
    ? { x: (bar: Point) => Math.max(bar.y, bar.high), dx: 6, text: (bar: Point) => barLabel(chart, bar) }
    : { x: 0, dy: -9, fontSize: 11, text: (bar: NamedBar) => narrowLabel(chart, bar) };
  return Plot.plot({
    ...frame(width),
    height: 44 + rows.length * (isWide ? 24 : 36), marginLeft, marginRight: isWide ? 170 : 22, marginTop: 4, marginBottom: 36,
    x: { label: chart.unit, domain: [0, most], nice: isWide, grid: true, ticks: isWide ? 8 : 4, tickFormat: short },
    y: {
      label: null, domain: rows.map(({ key }) => key), axis: isWide ? 'left' : null, tickSize: 0,
      tickFormat: (key: string) => names.get(key),
    },
    marks: [
      Plot.barX(bars, {
        y: 'key', x: 'y', fill: colourOfBar, fillOpacity: (bar: Point) => (bar.published ? 0.3 : 1),
        stroke: colourOfBar, strokeDasharray: '3,2', strokeWidth: (bar: Point) => (bar.published ? 1 : 0),
        insetTop: isWide ? 1 : 17, insetBottom: 2, title: (bar: Point) => tipOf(chart, bar), tip: true,
      }),
      Plot.ruleY(bars.filter(({ low, high }) => low < high), { y: 'key', x1: 'low', x2: 'high', strokeWidth: 2, dy: isWide ? 0 : 7 }),
      Plot.text(bars, { y: 'key', textAnchor: 'start', ...label }),
      Plot.text(heads, {
        y: 'key', text: 'name', frameAnchor: 'left', dx: isWide ? 8 - marginLeft : 0, dy: isWide ? 4 : 8, ...within(width),
      }),
    ],
  });
}

/** Plots of one width below each other, as one picture. */
function stacked(plots: readonly SVGElement[], width: number): SVGElement {
  const outer = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  let top = 0;
  for (const plot of plots) {
    plot.setAttribute('y', String(top));
    top += Number(plot.getAttribute('height'));
    outer.append(plot);
  }
  const size = { width, height: top, viewBox: `0 0 ${width} ${top}` };
  for (const [name, value] of Object.entries(size)) outer.setAttribute(name, String(value));
  return outer;
}

/** A plot for each model and occasion: a small one's axis would flatten a large one. */
function linePlot(chart: Chart, width: number): SVGElement {
  const headings = [...new Set(chart.points.map(headingOf))];
  const plotOf = (heading: string) => lineFacet(chart, chart.points.filter((point) => headingOf(point) === heading), width);
  return stacked(headings.map(plotOf), width);
}

/** @param points of one heading */
function lineFacet(chart: Chart, points: readonly Point[], width: number): SVGElement {
  const stroke = (point: Point) => colourOf(point.engine);
  return Plot.plot({
    ...frame(width),
    height: 220, marginLeft: 64, marginRight: 28, marginTop: 30, marginBottom: 38,
    x: {
      label: chart.xLabel, type: chart.isLogX ? 'log' : 'linear', base: 2, grid: true,
      ticks: chart.isLogX ? [...new Set(points.map(({ x }) => x))] : undefined, tickFormat: (x: number) => short(x),
    },
    y: { label: null, grid: true, ticks: 5, zero: chart.id !== 'drift' && chart.unit !== 'MB', tickFormat: short },
    marks: [
      Plot.frame({ strokeOpacity: 0.2 }),
      Plot.line(points, { x: 'x', y: 'y', z: 'engine', stroke, strokeWidth: 2 }),
      Plot.link(points.filter(({ low, high }) => low < high), { x1: 'x', x2: 'x', y1: 'low', y2: 'high', stroke }),
      Plot.dot(points, { x: 'x', y: 'y', r: 3, fill: stroke, title: (point: Point) => tipOf(chart, point), tip: true }),
      Plot.text([`${headingOf(points[0]!)}, ${chart.unit}`], { frameAnchor: 'top-left', dy: -18, dx: -56, text: String, ...within(width) }),
    ],
  });
}

/** What tells models of one family apart: their names without the words that all of them begin with. */
function ownNames(models: readonly string[]): Map<string, string> {
  const words = models.map((model) => modelName(model).split('-'));
  const longest = Math.min(...words.map((own) => own.length)) - 1;
  const differs = (at: number) => words.some((own) => own[at] !== words[0]![at]);
  let shared = 0;
  while (shared < longest && !differs(shared)) shared++;
  return new Map(models.map((model, i) => [model, words[i]!.slice(shared).join('-')]));
}

/** Points with their models' names above and below them. */
function placePlot(chart: Chart, width: number): SVGElement {
  const nameOf = ownNames(chart.points.map(({ model }) => model));
  const points = chart.points.map((point) => ({ ...point, x: Number(point.x), name: nameOf.get(point.model) }));
  // Neighbours' names keep out of each other's way: above and below their points, near and far.
  const names = [-10, 10, -22, 22].map((dy, turn) =>
    Plot.text(points.filter((_, i) => i % 4 === turn), {
      x: 'x', y: 'y', text: 'name', dy, lineWidth: 12, textOverflow: 'ellipsis', fontSize: 11,
    }),
  );
  return Plot.plot({
    ...frame(width),
    height: 320,
    marginLeft: 60,
    marginRight: 28,
    marginTop: 26,
    marginBottom: 38,
    inset: 28,
    x: { label: chart.xLabel, grid: true, nice: true, zero: true, ticks: width > 560 ? undefined : 4, tickFormat: (x: number) => short(x) },
    y: { label: chart.unit, grid: true, nice: true, tickFormat: (y: number) => short(y) },
    marks: [
      Plot.dot(points, {
        x: 'x', y: 'y', r: 5, fill: ({ engine }: Point) => colourOf(engine), title: (point: Point) => tipOf(chart, point), tip: true,
      }),
      ...names,
    ],
  });
}

function roofPlot({ roofs, points }: Roofline, width: number): SVGElement {
  const xs = points.map(({ perByte }) => perByte);
  const [least, most] = [Math.min(...xs) / 2, Math.max(...xs) * 4];
  const amount = (value: number) => d3.format('.3~s')(value).replace(/([A-Za-z])$/, ' $1');
  const rateOf = ({ device, bytesPerSecond, multiplyAddsPerSecond: stated }: Roof) =>
    `${device}: copies ${amount(bytesPerSecond)}B/s${stated === undefined ? '' : `, ${amount(stated)} multiply-adds/s stated`}`;
  // Above the lines, left of where prompts are.
  const middle = least * (most / least) ** 0.65;
  const lines = roofs.flatMap(({ device, bytesPerSecond, multiplyAddsPerSecond = Infinity }) =>
    d3.range(0, 41).map((i: number) => {
      const x = least * (most / least) ** (i / 40);
      return { device, x, y: Math.min(x * bytesPerSecond, multiplyAddsPerSecond) };
    }),
  );
  return Plot.plot({
    ...frame(width),
    height: 340,
    marginLeft: 60,
    marginRight: 28,
    marginBottom: 38,
    inset: 8,
    x: { label: 'multiply-adds for each byte that is read', type: 'log', grid: true, tickFormat: (x: number) => short(x), ticks: 4 },
    y: { label: 'multiply-adds/s', type: 'log', grid: true, tickFormat: '~s', ticks: 4 },
    marks: [
      Plot.line(lines, { x: 'x', y: 'y', z: 'device', strokeWidth: 2, strokeOpacity: 0.6 }),
      Plot.text(roofs, {
        x: middle, y: ({ bytesPerSecond, multiplyAddsPerSecond: stated = Infinity }: Roof) => Math.min(middle * bytesPerSecond, stated),
        text: rateOf, textAnchor: 'end', dy: -8, dx: -6, fontSize: 11,
      }),
      Plot.dot(points, {
        x: 'perByte',
        y: 'perSecond',
        r: 5,
        fill: ({ engine }: Point) => colourOf(engine),
        tip: true,
        title: (point: Roofline['points'][number]) =>
          `${point.engine}\n${modelName(point.model)}\n${point.measure}\n${d3.format('.3s')(point.perSecond)} multiply-adds/s`,
      }),
    ],
  });
}

export interface ReportPlots {
  readonly short: typeof short;
  readonly percent: typeof percent;
  readonly colourOf: typeof colourOf;
  readonly barPlot: typeof barPlot;
  readonly linePlot: typeof linePlot;
  readonly placePlot: typeof placePlot;
  readonly roofPlot: typeof roofPlot;
}

Object.assign(globalThis, { reportPlots: { short, percent, colourOf, barPlot, linePlot, placePlot, roofPlot } satisfies ReportPlots });
