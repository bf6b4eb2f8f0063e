/** What to run where, by what was measured: the rules of `advice.ts` with figures in place of estimates, and what only figures tell. */
import { formatBytes } from '../../tensor/format-bytes.ts';
import { isMoreBetter } from '../task.ts';
import type { ResultRow } from '../read-results.ts';
import { advise, LIMITS } from './advice.ts';
import type { Advice, Usage } from './advice.ts';
import { decodeOf, DECODE, deviceNameOf, measuredModels, medianOf, series, STREAM_DECODE } from './measured-model.ts';
import type { MeasuredModel } from './measured-model.ts';

export interface AdvisedModel {
  readonly model: string;
  readonly device: string;
  readonly advice: readonly Advice[];
}

/** A reader waits no longer than this for a first token, of 99 in 100. */
const MOST_FIRST_MS = 5000;
/** Another device, or engine, is named where it is faster by more than noise from day to day. */
const CLEARLY = 1.05;
/** Other programs may take so much of the speed before they are the advice. */
const BUSY_SHARE = 0.7;
const DRIFT_SHARE = 0.9;
/** Choices of a quantisation are those of the model where it is no further from it. */
const CLOSE_NATS = 0.05;
const CLOSE_PERPLEXITY = 1.02;
/** Told of a rival. */
const MOST_WINS = 3;

const figure = (value: number) => (value >= 100 ? String(Math.round(value)) : value.toPrecision(3));
const rate = (value: number) => `${figure(value)} tokens/s`;

/** One entry a model and device; advice that no row is behind is not given. */
export function adviseByResults(rows: readonly ResultRow[], usage: Usage): AdvisedModel[] {
  const models = measuredModels(rows);
  return models.map((model) => ({
    model: model.file,
    device: model.device,
    advice: [
      ...deviceAdvice(model, models),
      ...engineAdvice(model, rows),
      ...quantisationAdvice(model, models),
      ...kvAdvice(model),
      ...contextAdvice(model),
      ...streamAdvice(model),
      ...busyAdvice(model),
      ...driftAdvice(model),
      ...memoryAdvice(model, usage),
    ],
  }));
}

/** The same file elsewhere. */
function deviceAdvice(model: MeasuredModel, models: readonly MeasuredModel[]): Advice[] {
  const own = decodeOf(model);
  if (own === undefined) return [];
  const others = models.filter((other) => other.device !== model.device && other.file === model.file)
    .flatMap((other) => {
      const row = other.rows.find(({ measure }) => measure === own.measure);
      return row === undefined ? [] : [{ device: other.device, median: row.median }];
    }).sort((a, b) => b.median - a.median);
  const [best] = others;
  if (best === undefined) return [];
  const because = `${own.measure}: ${rate(best.median)} there, ${rate(own.median)} here`;
  if (best.median > own.median * CLEARLY) return [{ advice: `Run it on ${best.device}.`, because }];
  const isBest = own.median > best.median * CLEARLY;
  return isBest ? [{ advice: 'This is its device.', because: `${because}, of the next best, ${best.device}` }] : [];
}

/** A rival that is faster at something that was measured of both on one device, at its best setting; what differs most comes first. */
function engineAdvice(model: MeasuredModel, rows: readonly ResultRow[]): Advice[] {
  const found = new Map<string, Map<string, { readonly times: number; readonly words: string }>>();
  for (const rival of rows) {
    if (rival.engine.name === 'ingot' || rival.model.file !== model.file || deviceNameOf(rival) !== model.device) continue;
    const own = model.rows.find(({ measure }) => measure === rival.measure);
    if (own === undefined) continue;
    const times = isMoreBetter(rival.unit) ? rival.median / own.median : own.median / rival.median;
    const wins = found.get(rival.engine.name) ?? new Map();
    found.set(rival.engine.name, wins);
    if (times <= Math.max(CLEARLY, wins.get(rival.measure)?.times ?? 0)) continue;
    const both = `${figure(rival.median)} and ${figure(own.median)} ${rival.unit}`;
    wins.set(rival.measure, { times, words: `${rival.measure} ${times.toFixed(2)} times as fast (${both})` });
  }
  return [...found].filter(([, wins]) => wins.size > 0).map(([name, wins]) => {
    const sorted = [...wins.values()].sort((x, y) => y.times - x.times);
    const more = sorted.length > MOST_WINS ? `; and ${sorted.length - MOST_WINS} more` : '';
    const because = `${sorted.slice(0, MOST_WINS).map(({ words }) => words).join('; ')}${more}`;
    return { advice: `Look at ${name} for this work.`, because };
  });
}

/** Files of one model differ in how their weights are kept: its name without that. */
export function baseName(file: string): string {
  return file.toLowerCase().replace(/\.gguf$/, '').replace(/[-_.](bf16|f16|f32|mxfp4(_moe)?|iq?\d[a-z0-9_]*|q\d[a-z0-9_]*)$/, '');
}

/** The smallest file that answers as the best one does. */
function quantisationAdvice(model: MeasuredModel, models: readonly MeasuredModel[]): Advice[] {
  const family = models.filter((other) => other.device === model.device && baseName(other.file) === baseName(model.file));
  const judged = family.flatMap((one) => {
    const perplexity = medianOf(one, 'perplexity');
    return perplexity === undefined || one.sizeBytes === null ? [] : [{ one, perplexity, sizeBytes: one.sizeBytes }];
  });
  if (judged.length < 2) return [];
  const least = Math.min(...judged.map(({ perplexity }) => perplexity));
  const isClose = ({ one, perplexity }: (typeof judged)[number]) => {
    const nats = medianOf(one, 'divergence from the reference');
    return nats === undefined ? perplexity <= least * CLOSE_PERPLEXITY : nats <= CLOSE_NATS;
  };
  const [best] = judged.filter(isClose).sort((a, b) => a.sizeBytes - b.sizeBytes);
  if (best === undefined) return [];
  const told = judged.map(({ one, perplexity, sizeBytes }) => {
    const nats = medianOf(one, 'divergence from the reference');
    const decode = decodeOf(one)?.median;
    return [
      `${one.file} ${formatBytes(sizeBytes)}`, `perplexity ${perplexity.toPrecision(4)}`,
      nats === undefined ? '' : `${nats.toPrecision(2)} nats away`, decode === undefined ? '' : rate(decode),
    ].filter(Boolean).join(', ');
  });
  const advice = best.one === model ? 'This is the quantisation to take.' : `Take ${best.one.file} in its place.`;
  return [{ advice, because: `it is the smallest that answers as the best: ${told.join('; ')}` }];
}

/** Keys and values in fewer bits, where both were measured behind a long context. */
function kvAdvice({ rows }: MeasuredModel): Advice[] {
  const lengthOf = ({ measure }: ResultRow) => Number(DECODE.exec(measure)?.[1] ?? -1);
  const longest = Math.max(...rows.map(lengthOf));
  const measured = rows.filter((row) => longest >= 0 && lengthOf(row) === longest).sort((a, b) => b.median - a.median);
  const [best, next] = measured;
  if (best === undefined || next === undefined || best.median <= next.median * CLEARLY) return [];
  const told = measured.map(({ flags, median }) => `${flags['kv']} ${rate(median)}`).join(', ');
  return [{ advice: `Keep keys and values in ${best.flags['kv']} (--kv-type).`, because: `${best.measure}: ${told}` }];
}

/** Seconds of a token grow by a constant for each position: two figures tell where reading speed ends. */
function contextAdvice(model: MeasuredModel): Advice[] {
  const points = series(model, DECODE);
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const words = `${rate(first.row.median)} behind ${first.x} tokens, ${rate(last.row.median)} behind ${last.x}`;
  const slope = (1 / last.row.median - 1 / first.row.median) / (last.x - first.x);
  const least = LIMITS.readingTokensPerSecond;
  if (first.row.median < least) return [];
  const reach = slope <= 0 ? Infinity : first.x + (1 / least - 1 / first.row.median) / slope;
  if (reach > 8 * last.x) {
    const because = `${words}, and people read ${least}`;
    return [{ advice: 'Conversations may be as long as there is room for: none keeps a reader waiting.', because }];
  }
  const rounded = Math.floor(reach / 256) * 256;
  return [
    {
      advice: `Keep conversations below about ${rounded} tokens (--context ${rounded}).`,
      because: `${words}: by that slope people, who read ${least}, wait from there on`,
    },
  ];
}

/** The most streams at which each is still read as it comes, and no first token keeps people waiting. */
function streamAdvice(model: MeasuredModel): Advice[] {
  const points = series(model, STREAM_DECODE);
  if (points.length < 2) return [];
  const firstOf = (x: number) => medianOf(model, `${x} ${x === 1 ? 'stream' : 'streams'}, first token p99`);
  const told = points.map(({ x, row }) => ({ x, each: row.median / x, first: firstOf(x) }));
  const fits = told.filter(({ each, first = 0 }) => each >= LIMITS.readingTokensPerSecond && first <= MOST_FIRST_MS);
  const most = Math.max(0, ...fits.map(({ x }) => x));
  const within = (first: number | undefined) => (first === undefined ? '' : `, first token within ${Math.round(first)} ms`);
  const because = told.map(({ x, each, first }) => `${x}: ${rate(each)} each${within(first)}`).join('; ');
  if (most === 0) return [{ advice: 'Not for people who read along: give it work that nobody waits for.', because }];
  const isAll = most === told.at(-1)!.x;
  return [{ advice: `Answer ${isAll ? `${most} or more` : `at most ${most}`} at a time (--max-concurrent ${most}).`, because }];
}

function busyAdvice(model: MeasuredModel): Advice[] {
  return model.rows.flatMap((row): Advice[] => {
    const [, measure, what] = /^(decode .*), (.* busy)$/.exec(row.measure) ?? [];
    const alone = measure === undefined ? undefined : medianOf(model, measure);
    if (alone === undefined || row.median >= BUSY_SHARE * alone) return [];
    const because = `${measure}: ${rate(alone)} alone, ${rate(row.median)} with ${what}`;
    return [{ advice: 'Give it cores of its own (--threads below their number), or a machine that does nothing else.', because }];
  });
}

function driftAdvice(model: MeasuredModel): Advice[] {
  const points = series(model, /^drift at ([\d.]+) s, decode$/);
  const third = Math.floor(points.length / 3);
  if (third === 0) return [];
  const mean = (part: typeof points) => part.reduce((sum, { row }) => sum + row.median, 0) / part.length;
  const [early, late] = [mean(points.slice(0, third)), mean(points.slice(-third))];
  if (late >= DRIFT_SHARE * early) return [];
  return [
    {
      advice: 'Long work belongs on a machine that stays cool: a dedicated node, or pauses.',
      because: `decode fell from ${rate(early)} to ${rate(late)} within ${points.at(-1)!.x} s of work`,
    },
  ];
}

/** The rules of `ingot plan`. */
function memoryAdvice(model: MeasuredModel, usage: Usage): readonly Advice[] {
  const decode = decodeOf(model);
  if (decode === undefined || model.sizeBytes === null) return [];
  const peakMb = medianOf(model, 'peak memory after it');
  const contextLength = Math.max(...series(model, DECODE).map(({ x }) => x));
  const advice = advise({
    memoryBytes: model.memoryBytes, budgetBytes: undefined, totalBytes: Math.max(model.sizeBytes, 1e6 * (peakMb ?? 0)),
    // How many fit is for `ingot plan` to say; how many are fast enough was measured.
    streams: Math.max(1, ...series(model, STREAM_DECODE).map(({ x }) => x)), contextLength, tokensPerSecond: decode.median,
    isShared: model.isShared, usage,
  });
  const isMeasured = series(model, STREAM_DECODE).length > 1;
  return isMeasured ? advice : advice.filter((one) => !one.advice.startsWith('Up to'));
}
