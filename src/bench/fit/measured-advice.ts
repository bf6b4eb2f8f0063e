/** What to run where, by what was measured: the rules of `advice.ts` with figures in place of estimates, and what only figures tell. */
import { formatBytes } from '../../tensor/format-bytes.ts';
import { baseName, judgedBy } from '../judged.ts';
import type { Judgement } from '../judged.ts';
import { dayOf } from '../occasion.ts';
import type { ResultRow } from '../read-results.ts';
import { advise, LIMITS, placeAdvice } from './advice.ts';
import type { Advice, Usage } from './advice.ts';
import { engineAdvice, tooFewRuns } from './engine-advice.ts';
import {
  bestOf, CLEARLY, decodeOf, DECODE, measuredModels, measuresOf, medianOf, rateText, series, STREAM_DECODE,
} from './measured-model.ts';
import type { MeasuredModel } from './measured-model.ts';
import { unmeasured } from './unmeasured.ts';
import { useAdvice } from './use-advice.ts';

export interface AdvisedModel {
  readonly model: string;
  readonly device: string;
  /** What tells it from other occasions of both; empty where there is one. */
  readonly occasion: string;
  readonly advice: readonly Advice[];
  /** What no row says, and what would: `how good it is (quality)`. */
  readonly unmeasured: readonly string[];
}

/** A reader waits no longer than this for a first token, of 99 in 100. */
const MOST_FIRST_MS = 5000;
/** Other programs may take so much of the speed before they are the advice. */
const BUSY_SHARE = 0.7;
const DRIFT_SHARE = 0.9;
/** Choices of a quantisation are those of the model where it is no further from it. */
const CLOSE_NATS = 0.05;
const CLOSE_PERPLEXITY = 1.02;

/** One entry a model, device and occasion; advice that no row is behind is not given. */
export function adviseByResults(rows: readonly ResultRow[], usage: Usage): AdvisedModel[] {
  const models = measuredModels(rows);
  return models.map((model) => ({
    model: model.file,
    device: model.device,
    occasion: model.occasion,
    advice: [
      ...deviceAdvice(model, models),
      ...engineAdvice(model, rows),
      ...quantisationAdvice(model, models),
      ...kvAdvice(model),
      ...contextAdvice(model),
      ...streamAdvice(model),
      ...busyAdvice(model),
      ...driftAdvice(model),
      ...useAdvice(model, placeAdvice(usage).length > 0 || driftAdvice(model).length > 0),
      ...memoryAdvice(model, usage),
    ],
    unmeasured: [...unmeasured(model), ...tooFewRuns(model, rows)],
  }));
}

/** The same file elsewhere: of another device, where it was measured last. */
function deviceAdvice(model: MeasuredModel, models: readonly MeasuredModel[]): Advice[] {
  const own = decodeOf(model);
  if (own === undefined) return [];
  const latest = new Map(
    models.filter((other) => other.device !== model.device && other.file === model.file).flatMap((other) => {
      const row = bestOf(other, own.measure);
      return row === undefined ? [] : [[other.device, row] as const];
    }),
  );
  const [best] = [...latest].sort(([, a], [, b]) => b.median - a.median);
  if (best === undefined) return [];
  const [device, row] = best;
  const when = dayOf(row) === dayOf(own) ? ['', ''] : [` (${dayOf(row)})`, ` (${dayOf(own)})`];
  const because = `${own.measure}: ${rateText(row.median)} there${when[0]}, ${rateText(own.median)} here${when[1]}`;
  if (row.median > own.median * CLEARLY) return [{ advice: `Run it on ${device}.`, because }];
  const isBest = own.median > row.median * CLEARLY;
  return isBest ? [{ advice: 'This is its device.', because: `${because}, of the next best, ${device}` }] : [];
}

/** Files of the same model that were judged by the same text: each where it was measured on this occasion, else last. */
function judgedFiles(model: MeasuredModel, models: readonly MeasuredModel[]) {
  const rowOf = (one: MeasuredModel, measure: Judgement) => one.rows.find((row) => row.measure === measure);
  const textOf = (one: MeasuredModel, measure: Judgement) => {
    const row = rowOf(one, measure);
    return row === undefined ? undefined : judgedBy(row);
  };
  const text = textOf(model, 'perplexity');
  if (text === undefined) return [];
  const reference = textOf(model, 'divergence from the reference');
  const files = new Map<string, MeasuredModel>();
  for (const one of models) {
    if (one.device !== model.device || baseName(one.file) !== baseName(model.file) || textOf(one, 'perplexity') !== text) continue;
    const isKept = files.get(one.file)?.occasionKey === model.occasionKey;
    if (!isKept) files.set(one.file, one);
  }
  return [...files.values()].flatMap((one) => {
    const perplexity = rowOf(one, 'perplexity')!.median;
    const isOfReference = reference !== undefined && textOf(one, 'divergence from the reference') === reference;
    const nats = isOfReference ? rowOf(one, 'divergence from the reference')?.median : undefined;
    return one.sizeBytes === null ? [] : [{ one, perplexity, nats, sizeBytes: one.sizeBytes }];
  });
}

/** The smallest file that answers as the best one does. */
function quantisationAdvice(model: MeasuredModel, models: readonly MeasuredModel[]): Advice[] {
  const judged = judgedFiles(model, models);
  if (judged.length < 2) return [];
  const least = Math.min(...judged.map(({ perplexity }) => perplexity));
  const isClose = ({ nats, perplexity }: (typeof judged)[number]) =>
    nats === undefined ? perplexity <= least * CLOSE_PERPLEXITY : nats <= CLOSE_NATS;
  const [best] = judged.filter(isClose).sort((a, b) => a.sizeBytes - b.sizeBytes);
  if (best === undefined) return [];
  const told = judged.map(({ one, perplexity, nats, sizeBytes }) => {
    const decode = one.occasionKey === model.occasionKey ? decodeOf(one)?.median : undefined;
    return [
      `${one.file} ${formatBytes(sizeBytes)}`, `perplexity ${perplexity.toPrecision(4)}`,
      nats === undefined ? '' : `${nats.toPrecision(2)} nats away`, decode === undefined ? '' : rateText(decode),
    ].filter(Boolean).join(', ');
  });
  const advice = best.one.file === model.file ? 'This is the quantisation to take.' : `Take ${best.one.file} in its place.`;
  return [{ advice, because: `it is the smallest that answers as the best: ${told.join('; ')}` }];
}

/** Keys and values in fewer bits, where both were measured behind a long context. */
function kvAdvice({ rows }: MeasuredModel): Advice[] {
  const lengthOf = ({ measure }: ResultRow) => Number(DECODE.exec(measure)?.[1] ?? -1);
  const longest = Math.max(...rows.map(lengthOf));
  const measured = rows.filter((row) => longest >= 0 && lengthOf(row) === longest).sort((a, b) => b.median - a.median);
  const [best, next] = measured;
  if (best === undefined || next === undefined || best.median <= next.median * CLEARLY) return [];
  const told = measured.map(({ flags, median }) => `${flags['kv']} ${rateText(median)}`).join(', ');
  return [{ advice: `Keep keys and values in ${best.flags['kv']} (--kv-type).`, because: `${best.measure}: ${told}` }];
}

/** Seconds of a token grow by a constant for each position: two figures tell where reading speed ends. */
function contextAdvice(model: MeasuredModel): Advice[] {
  const points = series(model, DECODE);
  const [first, last] = [points[0], points.at(-1)];
  if (first === undefined || last === undefined || first === last) return [];
  const words = `${rateText(first.row.median)} behind ${first.x} tokens, ${rateText(last.row.median)} behind ${last.x}`;
  const slope = (1 / last.row.median - 1 / first.row.median) / (last.x - first.x);
  const least = LIMITS.readingTokensPerSecond;
  if (first.row.median < least) return [];
  const reach = slope <= 0 ? Infinity : first.x + (1 / least - 1 / first.row.median) / slope;
  if (reach > 8 * last.x) {
    const because = `${words}, and people read ${least}`;
    return [{ advice: 'Conversations may be as long as there is room for: none keeps a reader waiting.', because }];
  }
  const rounded = reach < 256 ? Math.floor(reach) : Math.floor(reach / 256) * 256;
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
  const because = told.map(({ x, each, first }) => `${x}: ${rateText(each)} each${within(first)}`).join('; ');
  if (most === 0) return [{ advice: 'Not for people who read along: give it work that nobody waits for.', because }];
  const isAll = most === told.at(-1)!.x;
  return [{ advice: `Answer ${isAll ? `${most} or more` : `at most ${most}`} at a time (--max-concurrent ${most}).`, because }];
}

function busyAdvice(model: MeasuredModel): Advice[] {
  return measuresOf(model).flatMap((busy): Advice[] => {
    const [, measure, what] = /^(decode .*), (.* busy)$/.exec(busy) ?? [];
    const [alone, among] = [measure === undefined ? undefined : medianOf(model, measure), medianOf(model, busy)];
    if (alone === undefined || among === undefined || among >= BUSY_SHARE * alone) return [];
    const because = `${measure}: ${rateText(alone)} alone, ${rateText(among)} with ${what}`;
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
      because: `decode fell from ${rateText(early)} to ${rateText(late)} within ${points.at(-1)!.x} s of work`,
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
