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

export interface ContextFacts {
  readonly contextLength: number;
  /** The most that `--context` could ask for. */
  readonly modelContextLength: number;
}

export interface EndingFacts extends ContextFacts {
  readonly isChat: boolean;
}

/** The context to ask for where this one is too short; undefined where the model has no more. */
function largerContext({ contextLength, modelContextLength }: ContextFacts): number | undefined {
  const wanted = Math.min(modelContextLength, Math.max(8192, 2 * contextLength));
  return wanted > contextLength ? wanted : undefined;
}

/** That the model no longer sees the beginning of a conversation. */
export function droppedNote(turns: number, facts: ContextFacts): string {
  const oldest = turns === 1 ? 'oldest turn was' : `oldest ${turns} turns were`;
  const larger = largerContext(facts);
  const advice = larger === undefined ? '' : `; --context ${larger} keeps more`;
  return `the conversation is longer than the context of ${withThousands(facts.contextLength)} tokens: the ${oldest} left out${advice}`;
}

/** Why an answer ended, in words, where it is not simply over. */
export function endingNote({ finishReason, stopText, usage }: FinalPiece, { isChat, ...facts }: EndingFacts): string | undefined {
  switch (finishReason) {
    case 'context': {
      const larger = largerContext(facts);
      const advice = [...(larger === undefined ? [] : [`--context ${larger} holds more`]), ...(isChat ? ['/reset starts over'] : [])];
      return [`stopped: prompt and answer fill the context of ${withThousands(facts.contextLength)} tokens`, ...advice].join('; ');
    }
    case 'length':
      return `stopped after ${plural(usage.completionTokens, 'token')}; --max-tokens N gives more`;
    case 'tool_calls':
      return undefined;
    case 'stop':
      return stopText === undefined ? undefined : `ended at the stop text ${JSON.stringify(stopText)}`;
    default:
      throw new Error(`unknown reason ${JSON.stringify(finishReason satisfies never)}`);
  }
}
