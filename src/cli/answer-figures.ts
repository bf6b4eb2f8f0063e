/** What is said of an answer when it has ended. */
import type { FinalPiece } from '../engine/api.ts';
import { formatDuration, formatRate, plural, withThousands } from './quantities.ts';
import { cutToWidth, widthOf } from './text-width.ts';

/** A part of the line of figures; where room is short, those of the highest rank go first. */
interface Part {
  readonly text: string;
  readonly rank: number;
}

const SEPARATOR = ' | ';

/**
 * `cpu (2 threads, relaxed SIMD) | 15 prompt tokens | TTFT 23 ms | prefill 650 tok/s | 120 tokens | decode 615 tok/s`, or as much of it
 * as fits into `columns`.
 */
export function figuresLine(device: string, { usage, timings }: FinalPiece, columns = Infinity): string {
  const cached = usage.cachedTokens > 0 ? ` (${usage.cachedTokens} cached)` : '';
  const all: Part[] = [
    { text: device, rank: 1 },
    { text: `${plural(usage.promptTokens, 'prompt token')}${cached}`, rank: 4 },
    { text: `TTFT ${formatDuration(timings.ttftMs)}`, rank: 3 },
    { text: `prefill ${formatRate(timings.prefillTokensPerSecond)} tok/s`, rank: 5 },
    { text: plural(usage.completionTokens, 'token'), rank: 2 },
    ...(usage.completionTokens > 1 ? [{ text: `decode ${formatRate(timings.decodeTokensPerSecond)} tok/s`, rank: 0 }] : []),
  ];
  const lineOf = (parts: readonly Part[]) => parts.map(({ text }) => text).join(SEPARATOR);
  // The device's details are the first to go: `cpu` says enough.
  const short = all.map((part) => (part.rank === 1 ? { ...part, text: device.replace(/ \(.*/, '') } : part));
  const forms = [all, ...[5, 4, 3, 2, 1, 0].map((most) => short.filter(({ rank }) => rank <= most))];
  return forms.map(lineOf).find((line) => line !== '' && widthOf(line) <= columns) ?? cutToWidth(lineOf(forms.at(-1)!), columns);
}

export interface EndingFacts {
  /** What `--max-tokens` said. */
  readonly maxTokens: number | undefined;
  readonly contextLength: number;
  readonly isChat: boolean;
}

/** Why an answer ended, in words, where it is not simply over. */
export function endingNote({ finishReason, stopText, usage }: FinalPiece, { maxTokens, contextLength, isChat }: EndingFacts): string | undefined {
  const more = `--context N gives more${isChat ? ', /reset starts over' : ''}`;
  const full = `stopped: the context of ${withThousands(contextLength)} tokens is full; ${more}`;
  if (finishReason === 'length') {
    if (maxTokens === undefined && usage.promptTokens + usage.completionTokens >= contextLength) return full;
    return `stopped after ${plural(usage.completionTokens, 'token')}; --max-tokens N gives more`;
  }
  return stopText === undefined ? undefined : `ended at the stop text ${JSON.stringify(stopText)}`;
}
