/** Every setting of `ingot serve`, in one table: its flag, its variable and its place in the config file are made of its name. */
import { KV_TYPES, parseKvTypes } from '../../graph/kv-types.ts';
import { PER_LAYER_TABLES } from '../../models/architecture.ts';
import { QUANTIZE_TYPES } from '../../models/quantize-weights.ts';
import { DEVICE_PATTERN, DEVICE_WORDS, parseDevice } from '../../node/device-choice.ts';
import { parseHost, parseOrigin } from '../../server/origin-guard.ts';
import { parseImageHost } from '../../server/images/image-host.ts';
import { describeNumber } from '../../tensor/option-names.ts';

export type SettingValue = string | number | boolean | readonly string[];

export interface Setting {
  readonly about: string;
  /** What the flag's help calls the value; a switch has none. */
  readonly value?: string;
  readonly kind: 'text' | 'integer' | 'switch' | 'texts';
  readonly min?: number;
  readonly max?: number;
  readonly choices?: readonly string[];
  /** For the schema, of what `check` takes. */
  readonly pattern?: string;
  /** A file of this machine: in a config file it is from that file's folder. */
  readonly isPath?: true;
  /** Not to be printed. */
  readonly isSecret?: true;
  readonly default?: SettingValue;
  /** Throws for a text that cannot be meant; of a list, for each. */
  readonly check?: (text: string) => unknown;
}

const MOST_MS = 2 ** 31 - 1;
const milliseconds = { kind: 'integer', value: 'ms', min: 1, max: MOST_MS } as const;
const count = { kind: 'integer', value: 'count', min: 1, max: MOST_MS } as const;

export const SETTINGS = {
  host: { kind: 'text', value: 'address', default: '127.0.0.1', about: 'address to listen at; 0.0.0.0 is all of this machine' },
  port: { kind: 'integer', value: 'number', min: 0, max: 65535, default: 8080, about: 'port to listen at; 0 is any that is free' },
  tlsCert: { kind: 'text', value: 'file', isPath: true, about: 'certificate (PEM), for HTTPS' },
  tlsKey: { kind: 'text', value: 'file', isPath: true, about: 'its key (PEM)' },
  allowedHosts: {
    kind: 'texts', value: 'names', check: parseHost,
    about: 'names that requests may call the server by, besides localhost and addresses; * is any',
  },
  corsOrigins: {
    kind: 'texts', value: 'origins', check: parseOrigin, about: 'web pages that may use the server, https://app.example.com; * is all',
  },
  imageHosts: {
    kind: 'texts', value: 'hosts', check: parseImageHost, about: 'hosts that images in requests are fetched from (default: none)',
  },
  maxImagePixels: {
    ...count, value: 'pixels', default: 16e6,
    about: 'most pixels of an image in a request; its images have together at most four times that',
  },
  maxBodyBytes: { ...count, value: 'bytes', default: 8 * 2 ** 20, about: "most bytes of a request's body" },
  bodyMs: { ...milliseconds, default: 30_000, about: 'most milliseconds in which a body has to arrive' },
  maxRequests: { ...count, default: 256, about: 'most requests at work; one more is refused' },
  maxOutputTokens: { ...count, value: 'tokens', about: 'most tokens of an answer (default: what the context has left)' },
  maxChoices: { ...count, default: 16, about: 'most answers to one request' },
  maxTexts: { ...count, default: 2048, about: 'most texts of a request for embeddings or a ranking' },
  loadMs: { ...milliseconds, default: 300_000, about: 'most milliseconds that a request waits for its model' },
  requestMs: { ...milliseconds, default: 600_000, about: 'most milliseconds of a request' },
  stallMs: { ...milliseconds, default: 60_000, about: 'most milliseconds in which a client takes nothing of a stream' },
  heartbeatMs: { ...milliseconds, default: 10_000, about: 'a stream that has nothing to say sends a comment that often' },
  drainMs: { kind: 'integer', value: 'ms', min: 0, max: 2 ** 30, default: 30_000, about: 'how long requests may go on after SIGTERM' },
  maxSessions: { ...count, default: 64, about: 'most sessions of /v1/realtime; one more is refused' },
  sessionMs: { ...milliseconds, default: 3_600_000, about: 'most milliseconds of such a session' },
  sessionIdleMs: { ...milliseconds, default: 600_000, about: "most milliseconds in which a session's client sends nothing" },
  ears: { kind: 'text', value: 'name', about: 'model that hears, where a model of text is talked with (default: the first that hears)' },
  voice: { kind: 'text', value: 'name', about: 'model that speaks there (default: the first that speaks)' },
  database: {
    kind: 'text', value: 'file', isPath: true,
    about: 'keys, the audit log, responses, files and batches; none keeps nothing (default: serve.db in ~/.ingot, or in INGOT_HOME)',
  },
  allowDownloads: {
    kind: 'switch', default: false,
    about: "clients may have models of the hub downloaded onto this machine, one at a time, with its owner's token of the hub (HF_TOKEN) " +
      'and cache; keys that may ask some models only may not',
  },
  requireKeys: { kind: 'switch', default: false, about: 'requests need a key also before the first one is made' },
  auditDays: { ...count, value: 'days', max: 36_500, default: 90, about: 'how long entries of the audit log are kept; sums by day stay' },
  auditPrompts: { kind: 'switch', default: false, about: 'the audit log has the bodies of requests, what was asked among it' },
  auditFailure: {
    kind: 'text', value: 'policy', choices: ['refuse', 'serve'], default: 'refuse',
    about: 'what becomes of requests while the audit log cannot be written',
  },
  responseDays: { ...count, value: 'days', max: 36_500, default: 30, about: 'how long responses are kept (/v1/responses)' },
  fileDays: { ...count, value: 'days', max: 36_500, default: 30, about: 'how long files are kept that name no time' },
  maxFileBytes: { ...count, value: 'bytes', max: 2 ** 30 - 1, default: 100 * 2 ** 20, about: 'most bytes of a file' },
  maxBatchRequests: { ...count, default: 50_000, about: 'most requests of a batch' },
  batchConcurrency: { ...count, max: 256, default: 4, about: 'most requests of batches that run at once' },
  traces: {
    kind: 'text', value: 'url', about: "where to send OpenTelemetry's spans (OTLP over HTTP): http://127.0.0.1:4318/v1/traces",
  },
  logRequests: { kind: 'switch', default: true, about: 'a line on stderr for each request, without what was asked' },
  maxConcurrent: { kind: 'integer', value: 'count', min: 1, max: 4096, default: 64, about: "most answers of a model that share its steps" },
  queueLimit: { kind: 'integer', value: 'count', min: 0, max: MOST_MS, about: 'most answers that wait for those (default: any number)' },
  queueMs: { ...milliseconds, about: 'most milliseconds that an answer waits (default: any number)' },
  device: {
    kind: 'text', value: 'device', default: 'auto', pattern: DEVICE_PATTERN, check: parseDevice as (text: string) => unknown,
    about: `where to compute: ${DEVICE_WORDS}`,
  },
  threads: { kind: 'integer', value: 'count', min: 1, max: 256, about: 'compute threads of the CPU device (default: all)' },
  context: { ...count, value: 'tokens', about: "most tokens of prompt and answer together (default: the model's own, at most 8,192)" },
  memory: {
    kind: 'integer', value: 'bytes', min: 1,
    about: "most memory of all models: weights and the states of all answers (default: by the machine's)",
  },
  pin: {
    kind: 'texts', value: 'names', about: 'models that are loaded at the start and stay (default: the first one is loaded, and may go)',
  },
  alias: { kind: 'texts', value: 'names', about: "further names for models, gpt-4o=small: a request's name, and the model's" },
  idleMs: {
    kind: 'integer', value: 'ms', min: 0, max: MOST_MS, about: 'a model without requests for so long is freed (default: it stays)',
  },
  snapshotBytes: { kind: 'integer', value: 'bytes', min: 0, about: 'most memory for going back in conversations with hybrid models' },
  perLayerTable: {
    kind: 'text', value: 'place', choices: PER_LAYER_TABLES, about: "where Gemma 4's small models have their table of embeddings",
  },
  quantize: { kind: 'text', value: 'type', choices: QUANTIZE_TYPES, about: 'quantise weights of floats while they are loaded' },
  kvType: {
    kind: 'text', value: 'type', check: parseKvTypes as (text: string) => unknown,
    about: `type of keys and values: ${KV_TYPES.join(', ')}, or q8/q4`,
  },
} as const satisfies Readonly<Record<string, Setting>>;

export type SettingName = keyof typeof SETTINGS;

export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

/** `--max-body-bytes` */
export function flagOf(name: string): string {
  return `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `INGOT_SERVE_MAX_BODY_BYTES` */
export function variableOf(name: string): string {
  return `INGOT_SERVE_${name.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `an integer from 1 to 256` */
function describeSetting({ kind, min, max, choices }: Setting): string {
  if (choices !== undefined) return `one of ${choices.join(', ')}`;
  switch (kind) {
    case 'integer':
      return max === undefined ? `an integer of at least ${min}` : `an integer from ${min} to ${max}`;
    case 'switch':
      return 'true or false';
    case 'texts':
      return 'a list of texts, none of them empty';
    case 'text':
      return 'a text that is not empty';
    default:
      throw new Error(`setting: unknown kind ${kind satisfies never}`);
  }
}

function isLegal(value: unknown, { kind, min = -Infinity, max = Infinity, choices }: Setting): value is SettingValue {
  const isText = (one: unknown) => typeof one === 'string' && one !== '';
  switch (kind) {
    case 'integer':
      return Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;
    case 'switch':
      return typeof value === 'boolean';
    case 'texts':
      return Array.isArray(value) && value.every(isText);
    case 'text':
      return isText(value) && (choices === undefined || choices.includes(value as string));
    default:
      throw new Error(`setting: unknown kind ${kind satisfies never}`);
  }
}

/** @throws Error that says what is expected, without where it was found */
export function checkSettingValue(value: unknown, setting: Setting): SettingValue {
  if (!isLegal(value, setting)) throw new Error(`expected ${describeSetting(setting)}, found ${describeNumber(value)}.`);
  for (const text of Array.isArray(value) ? (value as readonly string[]) : [value as string]) setting.check?.(text);
  return value;
}

const DECIMAL = /^\d+$/;

/** A value as a flag or a variable has it: lists by commas. @throws Error as {@link checkSettingValue} */
export function parseSetting(text: string, setting: Setting): SettingValue {
  const { kind } = setting;
  if (kind === 'integer') return checkSettingValue(DECIMAL.test(text) ? Number(text) : text, setting);
  if (kind === 'switch') return checkSettingValue(text === 'true' ? true : text === 'false' ? false : text, setting);
  if (kind === 'texts') return checkSettingValue(text.split(',').map((part) => part.trim()), setting);
  return checkSettingValue(text, setting);
}
