/** What answers are like, and of other things than text: in a form, how good, of pictures, of sound. */
import { basename } from 'node:path';
import type { StructuredAnswer } from './engine.ts';
import { SHARED } from './task.ts';
import type { Task, TaskOptions } from './task.ts';

const text = (maxLength: number) => ({ type: 'string', maxLength });
const object = (properties: Readonly<Record<string, object>>) => ({ type: 'object', properties, required: Object.keys(properties) });

/** Records, as tools and extraction ask for them; long enough that `formTokens` end it. */
const RECORDS = {
  type: 'array', minItems: 60,
  items: object({
    name: text(24), kind: { enum: ['alpha', 'beta', 'gamma'] }, count: { type: 'integer', minimum: 0, maximum: 999 },
    isReady: { type: 'boolean' },
  }),
};
/** One that ends soon. */
const ENDING = object({ kind: { enum: ['alpha', 'beta', 'gamma'] }, isReady: { type: 'boolean' } });

const PROMPT_TOKENS = 64;

function isOfEnding({ text: answer, hasEnded }: StructuredAnswer): boolean {
  if (!hasEnded) return false;
  try {
    const { kind, isReady } = JSON.parse(answer) as { readonly kind?: unknown; readonly isReady?: unknown };
    return ['alpha', 'beta', 'gamma'].includes(kind as string) && typeof isReady === 'boolean';
  } catch {
    return false;
  }
}

const rateOf = ({ tokens, firstMs, allMs }: StructuredAnswer) => (tokens < 2 ? undefined : (1000 * (tokens - 1)) / (allMs - firstMs));

export function structuredTasks({ sizes: { formTokens } }: TaskOptions): Task[] {
  return [
    {
      ...SHARED, workload: 'structured', name: 'answers in a form', contextTokens: PROMPT_TOKENS + 2 * formTokens, asks: String(formTokens),
      figures: [
        { name: 'decode in a JSON schema', unit: 'tok/s', isShown: true },
        { name: 'decode free, as many tokens', unit: 'tok/s', isShown: true },
        { name: 'first token in a JSON schema', unit: 'ms', isShown: true },
        { name: 'answers as the schema says', unit: '%', isShown: true },
      ],
      async run({ engine, ids }) {
        const ask = (schema: object | undefined, part: number) =>
          engine.answerInForm({ ids: ids(PROMPT_TOKENS, part), schema, maxTokens: formTokens });
        const [bound, free, ending] = [await ask(RECORDS, 0), await ask(undefined, 1), await ask(ENDING, 2)];
        return [rateOf(bound), rateOf(free), bound.firstMs, isOfEnding(ending) ? 100 : 0];
      },
    },
  ];
}

export function qualityTasks({ sizes: { qualityTokens }, files: { text: path, reference } }: TaskOptions): Task[] {
  return [
    {
      ...SHARED, workload: 'quality', name: 'quality', contextTokens: 2, wantedTokens: qualityTokens, runs: 1,
      asks: JSON.stringify([qualityTokens, path, reference]), lacks: path === undefined ? 'a text ("text")' : undefined,
      figures: [
        { name: 'perplexity', unit: 'perplexity', isShown: true },
        { name: 'divergence from the reference', unit: 'nats', isShown: true },
        { name: 'same choice as the reference', unit: '%', isShown: true },
      ],
      async run({ engine, told }) {
        const { perplexity, divergence, agreement, scored } = await engine.quality({ text: path!, reference, mostTokens: qualityTokens });
        told?.({ ...scored, ...(reference === undefined ? {} : { reference: basename(reference) }) });
        return [perplexity, divergence ?? undefined, agreement === undefined || agreement === null ? undefined : 100 * agreement];
      },
    },
  ];
}

export function taskTasks({ sizes: { mostTasks }, files: { tasks } }: TaskOptions): Task[] {
  return [
    {
      ...SHARED, workload: 'tasks', name: `${mostTasks} tasks`, contextTokens: 2, wantedTokens: 2048, runs: 1, asks: tasks,
      lacks: tasks === undefined ? 'a file of tasks ("tasks")' : undefined,
      figures: [{ name: 'tasks answered well', unit: '%', isShown: true }],
      async run({ engine, told }) {
        const { share, asked, file } = await engine.tasks(tasks!, mostTasks);
        told?.({ tasks: file, asked });
        return [100 * share];
      },
    },
  ];
}

const PICTURE_ANSWER = 32;

/** All towers first: the process that has one alone is closed before the whole model is loaded. */
export function pictureTasks({ sizes: { pictures } }: TaskOptions): Task[] {
  const towers = pictures.map((size): Task => ({
    ...SHARED, workload: 'pictures', name: `picture of ${size}, tower`, contextTokens: 2, purpose: 'towers', picture: size,
    figures: [{ name: `picture of ${size}, tower`, unit: 'ms', isShown: true }],
    run: async ({ engine }) => [await engine.tower(size)],
  }));
  const answers = pictures.map((size): Task => ({
    ...SHARED, workload: 'pictures', name: `picture of ${size}`, contextTokens: 2, wantedTokens: 4096, purpose: 'pictures', picture: size,
    figures: [
      { name: `picture of ${size}, first token`, unit: 'ms', isShown: true },
      { name: `picture of ${size}, decode`, unit: 'tok/s', isShown: true },
    ],
    async run({ engine }) {
      const { firstMs, tokensPerSecond } = await engine.see(size, PICTURE_ANSWER);
      return [firstMs, tokensPerSecond];
    },
  }));
  return [...towers, ...answers];
}

export function hearingTasks({ files: { sound } }: TaskOptions): Task[] {
  return [
    {
      ...SHARED, workload: 'hearing', name: 'a recording heard', contextTokens: 0, purpose: 'hearing', asks: sound,
      lacks: sound === undefined ? 'a recording ("sound")' : undefined,
      figures: [
        { name: 'hearing, all text', unit: 'ms', isShown: true },
        { name: 'hearing', unit: 'x real time', isShown: true },
      ],
      async run({ engine }) {
        const { ms, seconds } = await engine.hear(sound!);
        return [ms, (1000 * seconds) / ms];
      },
    },
  ];
}

const SENTENCES = 'The quick brown fox jumps over the lazy dog. A second sentence follows, so that the first sound comes before the last.';

export function speakingTasks(): Task[] {
  return [
    {
      ...SHARED, workload: 'speaking', name: 'two sentences spoken', contextTokens: 0, purpose: 'speaking',
      figures: [
        { name: 'speaking, first sound', unit: 'ms', isShown: true },
        { name: 'speaking', unit: 'x real time', isShown: true },
      ],
      async run({ engine }) {
        const { firstMs, ms, seconds } = await engine.speak(SENTENCES);
        return [firstMs, (1000 * seconds) / ms];
      },
    },
  ];
}
