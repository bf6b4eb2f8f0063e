/** Many requests at the same time: how much they get together, and how long each waits. */
import { answerRate, decodeRate, firstWait, gapsOf, percentile } from './stream-load.ts';
import type { StreamRequest } from './stream-load.ts';
import { SHARED } from './task.ts';
import type { Figure, Sizes, Task, TaskInput, TaskOptions } from './task.ts';

/** Shares of the usual prompt and answer, in the order of the streams: no two of four are alike. */
const MIXED_PROMPTS = [1 / 8, 2, 1, 1 / 2] as const;
const MIXED_ANSWERS = [1, 1 / 4, 2, 1 / 2] as const;

interface Lengths {
  readonly prompt: number;
  readonly answer: number;
}

/** Of stream `i`. Answers move on against prompts every four streams, so that all pairs occur. */
function mixedLengths(i: number, { streamPrompt, streamAnswer }: Sizes): Lengths {
  const share = MIXED_ANSWERS[(i + (i >> 2)) % MIXED_ANSWERS.length] as number;
  const prompt = Math.ceil(streamPrompt * (MIXED_PROMPTS[i % MIXED_PROMPTS.length] as number));
  return { prompt, answer: Math.ceil(streamAnswer * share) };
}

const ms = (name: string): Figure => ({ name, unit: 'ms', isShown: true });
const rate = (name: string): Figure => ({ name, unit: 'tok/s', isShown: true });

interface LoadForm extends Pick<Task, 'workload' | 'name'> {
  readonly hasDecode: boolean;
}

function loadTask(lengths: readonly Lengths[], { workload, name, hasDecode }: LoadForm): Task {
  return {
    ...SHARED, workload, name, streams: lengths.length, asks: JSON.stringify(lengths.slice(0, 4)),
    contextTokens: Math.max(...lengths.map(({ prompt, answer }) => prompt + answer + 1)),
    figures: [
      rate(`${name}, answers`),
      ...(hasDecode ? [rate(`${name}, decode`)] : []),
      ms(`${name}, first token p50`), ms(`${name}, first token p99`), ms(`${name}, gap p50`), ms(`${name}, gap p99`),
    ],
    async run({ engine, ids }) {
      const load = await engine.serve(lengths.map(({ prompt, answer }, i) => ({ ids: ids(prompt, i), answerTokens: answer })));
      const waits = load.streams.map(firstWait);
      const gaps = load.streams.flatMap((stream) => gapsOf(stream));
      return [
        answerRate(load),
        ...(hasDecode ? [decodeRate(load)] : []),
        percentile(waits, 0.5), percentile(waits, 0.99), percentile(gaps, 0.5), load.hasMeanGaps ? undefined : percentile(gaps, 0.99),
      ];
    },
  };
}

/** Each number of streams with the same lengths for all, and more than one also with lengths of four kinds. */
export function concurrencyTasks({ sizes }: TaskOptions): Task[] {
  const { streams, streamPrompt: prompt, streamAnswer: answer } = sizes;
  return streams.flatMap((count) => {
    const name = `${count} ${count === 1 ? 'stream' : 'streams'}`;
    const each = Array.from({ length: count }, (_, i) => i);
    const alike = loadTask(each.map(() => ({ prompt, answer })), { workload: 'concurrency', name, hasDecode: true });
    const mixed = loadTask(each.map((i) => mixedLengths(i, sizes)), {
      workload: 'concurrency', name: `${name} of mixed lengths`, hasDecode: false,
    });
    return count === 1 ? [alike] : [alike, mixed];
  });
}

/** What a server gives its clients of the same: streams of one length. */
export function serverTasks({ sizes: { serverStreams, streamPrompt: prompt, streamAnswer: answer } }: TaskOptions): Task[] {
  return serverStreams.map((count) => {
    const name = `${count} ${count === 1 ? 'stream' : 'streams'}`;
    return loadTask(Array.from({ length: count }, () => ({ prompt, answer })), { workload: 'server', name, hasDecode: true });
  });
}

/** Answers of the stream that is interrupted, and of the one that comes: long enough that both go on for a while. */
const BEFORE_TOKENS = 32;
const AFTER_TOKENS = 224;
const ARRIVING_ANSWER = 16;

/** One stream decodes, a long prompt arrives: how long the stream's reader waits at most. */
export function interruptionTasks({ sizes: { streamPrompt, arrivingPrompt } }: TaskOptions): Task[] {
  const name = `a prompt of ${arrivingPrompt} beside a stream`;
  const answerTokens = BEFORE_TOKENS + AFTER_TOKENS;
  const requests = (ids: TaskInput['ids']): StreamRequest[] => [
    { ids: ids(streamPrompt), answerTokens },
    { ids: ids(arrivingPrompt, 1), answerTokens: ARRIVING_ANSWER, afterTokens: BEFORE_TOKENS },
  ];
  return [
    {
      ...SHARED, workload: 'interruption', name, streams: 2, asks: String(streamPrompt),
      contextTokens: Math.max(streamPrompt + answerTokens, arrivingPrompt + ARRIVING_ANSWER) + 1,
      figures: [ms(`${name}, longest gap`), ms(`${name}, longest gap before`), ms(`${name}, its first token`)],
      async run({ engine, ids }) {
        const { streams: [stream, arriving] } = await engine.serve(requests(ids));
        if (stream === undefined || arriving === undefined) throw new Error('two streams were asked for, and fewer came');
        const since = gapsOf(stream, arriving.askedMs);
        if (since.length === 0) throw new Error('the stream was over before the prompt arrived');
        const before = gapsOf(stream).slice(0, -since.length);
        return [Math.max(...since), before.length === 0 ? undefined : Math.max(...before), firstWait(arriving)];
      },
    },
  ];
}
