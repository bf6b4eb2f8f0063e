/** The JSON Schema of a plan's file. It is what a file is checked against, so that it cannot say anything else than the program does. */
import { KV_TYPES } from '../../graph/kv-types.ts';
import { DEVICE_PATTERN } from '../../node/device-choice.ts';
import { ENGINE_NAMES } from '../engines/engine-named.ts';
import type { Sizes } from '../task.ts';
import { DEFAULT_WORKLOADS, PROTOCOL_SIZES, WORKLOAD_NAMES } from '../workloads.ts';

/** As much of JSON Schema as plans need. */
export interface PlanSchema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | undefined;
  readonly description?: string | undefined;
  readonly enum?: readonly string[] | undefined;
  readonly pattern?: string | undefined;
  readonly minimum?: number | undefined;
  readonly maximum?: number | undefined;
  readonly minLength?: number | undefined;
  readonly minItems?: number | undefined;
  readonly default?: unknown;
  readonly items?: PlanSchema | undefined;
  readonly properties?: Readonly<Record<string, PlanSchema>> | undefined;
  readonly required?: readonly string[] | undefined;
  /** False: no other members; else what each of the others is. */
  readonly additionalProperties?: false | PlanSchema | undefined;
  /** One of these; of an object and a text, told apart by their types. */
  readonly anyOf?: readonly PlanSchema[] | undefined;
}

const text = (description: string): PlanSchema => ({ type: 'string', minLength: 1, description });
const count = (description: string, minimum = 1, maximum = 2 ** 20): PlanSchema => ({ type: 'integer', minimum, maximum, description });
const counts = (description: string, minimum = 1): PlanSchema => ({
  type: 'array', items: { type: 'integer', minimum, maximum: 2 ** 20 }, minItems: 1, description,
});
const workloads = (description: string): PlanSchema => ({
  type: 'array', items: { type: 'string', enum: WORKLOAD_NAMES }, minItems: 1, description,
});

const SIZES: Readonly<Record<keyof Sizes, PlanSchema>> = {
  prefill: counts('tokens of prompts that are read'),
  ttft: counts('tokens of prompts whose first token is waited for'),
  decodeAfter: counts('positions before the tokens that decode measures'),
  decodeTokens: count('tokens that decode measures'),
  turns: count('turns of a conversation'),
  userTokens: count("tokens of a user's turn"),
  answerTokens: count('tokens of an answer in a conversation'),
  streams: counts('requests at the same time, of concurrency'),
  serverStreams: counts('requests at the same time, of server'),
  streamPrompt: count("tokens of each stream's prompt"),
  streamAnswer: count("tokens of each stream's answer"),
  arrivingPrompt: count('tokens of the prompt that interrupts a stream'),
  driftSeconds: count('seconds that drift takes'),
  driftSample: count('seconds of one sample of drift'),
  formTokens: count('most tokens of an answer in a form', 2),
  qualityTokens: count('tokens of the text that are scored', 2),
  mostTasks: count('tasks that are answered, spread over the file'),
  pictures: { type: 'array', items: { type: 'string', enum: PROTOCOL_SIZES.pictures }, minItems: 1, description: 'pixels of pictures' },
};

const withDefaults = (sizes: typeof SIZES) =>
  Object.fromEntries(Object.entries(sizes).map(([name, schema]) => [name, { ...schema, default: PROTOCOL_SIZES[name as keyof Sizes] }]));

const model: PlanSchema = {
  anyOf: [
    text('path of a GGUF file or a folder; from where the plan lies'),
    {
      type: 'object', required: ['path'], additionalProperties: false,
      properties: {
        path: text('path of a GGUF file or a folder; from where the plan lies'),
        as: {
          type: 'object', additionalProperties: text('a path or a name'),
          description: "what engines call the same weights, by the engine's title: a name on a server, an MLX or ONNX folder",
        },
        reference: text('the same model in a wider type, which quality is held against'),
        workloads: workloads("in place of the plan's"),
        sizes: { type: 'object', additionalProperties: false, properties: SIZES, description: "in place of the plan's" },
        runs: count("counted runs of each figure, in place of the plan's", 1, 1000),
      },
    },
  ],
};

const engine: PlanSchema = {
  anyOf: [
    { type: 'string', enum: ENGINE_NAMES },
    {
      type: 'object', required: ['engine'], additionalProperties: false,
      properties: {
        engine: { type: 'string', enum: ENGINE_NAMES },
        title: text('what records call it, where that is not its name: needed where one engine stands twice, unless its threads differ'),
        program: text("path of the engine's program, or of a browser"),
        backend: text('its own name of the device: cuda, vulkan, metal'),
        url: { ...text('where a server listens, up to /v1'), pattern: '^https?://' },
        keyVariable: text("environment variable that holds the server's key"),
        packages: text("folder whose node_modules hold the engine's package"),
        threads: count("CPU threads, in place of the plan's; an engine may stand twice with others: the better is quoted", 1, 256),
        isolated: { type: 'boolean', default: true, description: 'false: a page without threads, as hosts without two headers serve it' },
        batchSizes: counts('most tokens of one step that are tried where prompts are read (default: all that the engine has)'),
      },
    },
  ],
};

export const PLAN_SCHEMA: PlanSchema = {
  type: 'object', required: ['models'], additionalProperties: false,
  properties: {
    $schema: text('of an editor; nothing is read of it'),
    models: { type: 'array', items: model, minItems: 1, description: 'in the order in which they are measured' },
    engines: { type: 'array', items: engine, minItems: 1, default: ['ingot'], description: 'they run in turn: A B C A B C' },
    devices: { type: 'array', items: { type: 'string', pattern: DEVICE_PATTERN }, minItems: 1, default: ['auto'], description: 'where' },
    threads: count('CPU threads of every engine (default: as many as there are)', 1, 256),
    kvType: { type: 'string', pattern: `^(${KV_TYPES.join('|')})(/(${KV_TYPES.join('|')}))?$`, description: "of ingot's keys and values" },
    workloads: { ...workloads('what is measured'), default: DEFAULT_WORKLOADS },
    sizes: {
      type: 'object', additionalProperties: false, properties: withDefaults(SIZES), description: "in place of the protocol's",
    },
    text: text('a text, or lines of ids or texts, for quality'),
    tasks: text('tasks as "ingot eval" takes them'),
    sound: text('a recording, for hearing'),
    runs: { ...count('counted runs of each figure', 1, 1000), default: 5 },
    pause: { type: 'number', minimum: 0, maximum: 3600, default: 3, description: 'seconds of rest after each run' },
    quick: { type: 'boolean', default: false, description: 'tiny sizes, to see that it works' },
    maxMinutes: { type: 'number', minimum: 0.1, maximum: 10_000, description: 'no run begins after so many; the same plan goes on later' },
    matrixRate: { type: 'number', minimum: 0, description: '10^12 multiply-adds per second that prefill is held against' },
    results: text('file of JSON lines, appended (default: the name of the plan with .jsonl)'),
  },
};

/** As it is published: `docs/bench-plan.schema.json`. */
export const publishedSchema = () => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'ingot bench run', ...PLAN_SCHEMA,
});
