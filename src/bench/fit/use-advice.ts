/** How a model is best used on a machine, by what was measured of it: whether it is enough, what to keep open, what bounds it. */
import { formatBytes } from '../../tensor/format-bytes.ts';
import { LIMITS } from './advice.ts';
import type { Advice } from './advice.ts';
import { decodeOf, figureText, measuresOf, medianOf, PREFILL, rateText, series, TELLING_TOKENS, TTFT } from './measured-model.ts';
import type { MeasuredModel } from './measured-model.ts';

/** A question with some pages to read, and how long people wait for the answer to begin. */
const LONG_PROMPT = 2000;
const PATIENCE_MS = 5000;
/** Loading that is felt. */
const LONG_LOAD_MS = 2000;
/** What a kept prefix, or a form, changes by less than this is not worth a word of advice. */
const WORTH = 1.25;
/** Of what the device copies: above it memory bounds decoding, far below it something else does. */
const BOUND_SHARE = 0.55;
const UNBOUND_SHARE = 0.3;

const milliseconds = (value: number) => (value >= 1000 ? `${(value / 1000).toPrecision(3)} s` : `${figureText(value)} ms`);

/**
 * Each piece of advice has the figures behind it; one without figures is not given.
 * @param belongsElsewhere other advice says that the work belongs on another machine
 */
export function useAdvice(model: MeasuredModel, belongsElsewhere: boolean): Advice[] {
  const enough = belongsElsewhere ? [] : enoughAdvice(model);
  return [...enough, ...turnAdvice(model), ...loadAdvice(model), ...formAdvice(model), ...boundAdvice(model)];
}

/** Milliseconds of the longest prompt that was measured; undefined where it is so short that it tells nothing of longer ones. */
function longestPrompt(model: MeasuredModel): { readonly tokens: number; readonly ms: number; readonly told: string } | undefined {
  const waits = series(model, TTFT).map(({ x, row }) => ({
    tokens: x, ms: row.median, told: `the first token behind ${x} tokens comes within ${milliseconds(row.median)}`,
  }));
  const prompts = series(model, PREFILL).map(({ x, row }) => {
    const ms = (1000 * x) / row.median;
    return { tokens: x, ms, told: `reading ${x} tokens takes ${milliseconds(ms)}` };
  });
  // Of one length the wait counts, as people have it.
  const [longest] = [...waits, ...prompts].sort((a, b) => b.tokens - a.tokens);
  return longest === undefined || longest.tokens < TELLING_TOKENS ? undefined : longest;
}

/** Whether one person needs another machine. */
function enoughAdvice(model: MeasuredModel): Advice[] {
  const decode = decodeOf(model);
  if (decode === undefined || decode.median < LIMITS.readingTokensPerSecond) return [];
  const told = [`${decode.measure}: ${rateText(decode.median)}, and people read ${LIMITS.readingTokensPerSecond}`];
  const bytes = Math.max(model.sizeBytes ?? 0, 1e6 * (medianOf(model, 'peak memory after it') ?? 0));
  const isRoomy = !model.isShared || model.memoryBytes === undefined || model.memoryBytes - bytes >= LIMITS.keptBytes;
  if (!isRoomy) return [];
  const memory =
    bytes > 0 && model.isShared && model.memoryBytes !== undefined
      ? [`it takes ${formatBytes(bytes)} of ${formatBytes(model.memoryBytes)}`]
      : [];
  const prompt = longestPrompt(model);
  if (prompt === undefined) {
    const because = [...told, ...memory, 'how long prompts take was not measured'].join('; ');
    return [{ advice: 'It answers as fast as one person reads.', because }];
  }
  told.push(prompt.told);
  const longMs = (prompt.ms / prompt.tokens) * LONG_PROMPT;
  if (longMs <= PATIENCE_MS)
    return [{ advice: 'This machine is enough for one person: stay local.', because: [...told, ...memory].join('; ') }];
  const most = Number(((PATIENCE_MS * prompt.tokens) / prompt.ms).toPrecision(2));
  told.push(`${LONG_PROMPT} would take ${milliseconds(longMs)} at that rate`);
  return [
    {
      advice: `Enough for one person if what is new in a prompt stays below about ${most} tokens: what was read before is not read again.`,
      because: [...told, ...memory].join('; '),
    },
  ];
}

/** What a conversation gains by being kept open. */
function turnAdvice(model: MeasuredModel): Advice[] {
  return measuresOf(model).flatMap((measure): Advice[] => {
    const [all] = /^TTFT of all \d+ turns$/.exec(measure) ?? [];
    const [kept, anew] = [medianOf(model, measure), medianOf(model, `${measure}, prefix not reused`)];
    if (all === undefined || kept === undefined || anew === undefined || anew < WORTH * kept) return [];
    const because = `${all}: ${milliseconds(kept)} with what was said kept, ${milliseconds(anew)} where it is read again`;
    return [{ advice: 'Keep conversations open, and let each turn begin with all turns before it.', because }];
  });
}

function loadAdvice(model: MeasuredModel): Advice[] {
  const ms = medianOf(model, 'load and first request') ?? medianOf(model, 'load');
  if (ms === undefined) return [];
  const because = `from the start of the process to its first token it takes ${milliseconds(ms)}`;
  return [
    ms >= LONG_LOAD_MS
      ? { advice: 'Load it once and keep it ("ingot serve").', because }
      : { advice: 'It may be loaded when it is wanted: nothing has to stay running.', because },
  ];
}

/** What an answer in a form costs. */
function formAdvice(model: MeasuredModel): Advice[] {
  const [bound, free] = [medianOf(model, 'decode in a JSON schema'), medianOf(model, 'decode free, as many tokens')];
  if (bound === undefined || free === undefined) return [];
  const because = `${rateText(bound)} in a JSON schema, ${rateText(free)} free`;
  return [
    free >= WORTH * bound
      ? { advice: 'Ask for a form where a program reads the answer, and not where people do.', because }
      : { advice: 'Answers may be held to a schema at no cost worth saving.', because },
  ];
}

/** What bounds decoding, and so what would speed it up. */
function boundAdvice(model: MeasuredModel): Advice[] {
  const limit = decodeOf(model)?.limit;
  if (!limit || limit.share === null || limit.work !== 'bytes per token') return [];
  const copies = limit.limitPerSecond === null ? '' : ` of the ${formatBytes(limit.limitPerSecond)}/s that copying reaches here`;
  const rate = `${formatBytes(limit.perToken)} a token, ${formatBytes(limit.perSecond)}/s`;
  const because = `it reads ${rate}: ${(100 * limit.share).toFixed(0)}%${copies}`;
  if (limit.share >= BOUND_SHARE) return [{ advice: 'Memory bounds it: fewer bytes a weight are faster by as much.', because }];
  if (limit.share > UNBOUND_SHARE) return [];
  return [{ advice: 'Memory does not bound it: fewer bytes a weight gain little, several answers at a time gain more.', because }];
}
