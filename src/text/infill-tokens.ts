/**
 * Tokens by which models fill in what stands between two texts ("Efficient Training of Language Models to Fill in the Middle", Bavarian
 * et al. 2022): prefix, suffix, and then the middle is written. From the keys of a GGUF file, else by the names that families give them.
 */
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface InfillTokens {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
  /** What ends a middle beside the model's own end tokens: padding, and the beginning of another file. */
  readonly ends: readonly number[];
}

type Part = 'prefix' | 'suffix' | 'middle';

/** Keys of GGUF files, the older one last. */
const KEYS: Readonly<Record<Part, readonly string[]>> = {
  prefix: ['tokenizer.ggml.fim_pre_token_id', 'tokenizer.ggml.prefix_token_id'],
  suffix: ['tokenizer.ggml.fim_suf_token_id', 'tokenizer.ggml.suffix_token_id'],
  middle: ['tokenizer.ggml.fim_mid_token_id', 'tokenizer.ggml.middle_token_id'],
};
const END_KEYS = ['tokenizer.ggml.fim_pad_token_id', 'tokenizer.ggml.fim_rep_token_id', 'tokenizer.ggml.fim_sep_token_id'];

/** Of Qwen, StarCoder and Granite, SantaCoder, DeepSeek, CodeLlama, GLM: all of a family or none. */
const NAMES: readonly Readonly<Record<Part, string> & { readonly ends: readonly string[] }>[] = [
  { prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>', ends: ['<|fim_pad|>', '<|repo_name|>', '<|file_sep|>'] },
  { prefix: '<fim_prefix>', suffix: '<fim_suffix>', middle: '<fim_middle>', ends: ['<fim_pad>', '<reponame>', '<file_sep>'] },
  { prefix: '<fim-prefix>', suffix: '<fim-suffix>', middle: '<fim-middle>', ends: ['<fim-pad>'] },
  { prefix: '<\uff5cfim\u2581begin\uff5c>', suffix: '<\uff5cfim\u2581hole\uff5c>', middle: '<\uff5cfim\u2581end\uff5c>', ends: [] },
  { prefix: '\u2581<PRE>', suffix: '\u2581<SUF>', middle: '\u2581<MID>', ends: ['\u2581<EOT>'] },
  { prefix: '<|code_prefix|>', suffix: '<|code_suffix|>', middle: '<|code_middle|>', ends: [] },
];

function present(ids: readonly (number | undefined)[]): number[] {
  return ids.filter((id) => id !== undefined);
}

/** Undefined for a vocabulary that has no such tokens. */
export function infillTokens({ metadata }: Pick<Checkpoint, 'metadata'>, tokenizer: Tokenizer): InfillTokens | undefined {
  const byKey = (keys: readonly string[]) =>
    keys.map((key) => metadata.get(key)).find((id) => typeof id === 'number' && id >= 0 && id < tokenizer.vocabSize) as number | undefined;
  const names = NAMES.find(({ prefix, suffix, middle }) => [prefix, suffix, middle].every((name) => tokenizer.idOf(name) !== undefined));
  const find = (part: Part) => byKey(KEYS[part]) ?? (names && tokenizer.idOf(names[part]));
  const [prefix, suffix, middle] = [find('prefix'), find('suffix'), find('middle')];
  if (prefix === undefined || suffix === undefined || middle === undefined) return undefined;
  const ends = [...END_KEYS.map((key) => byKey([key])), ...(names?.ends ?? []).map((name) => tokenizer.idOf(name))];
  return { prefix, suffix, middle, ends: [...new Set(present(ends))] };
}

/** Encoding may put a space before a text, which the text behind a gap does not begin with: it is encoded behind a letter then. */
const BEFORE = '\u263a';

function encodeSuffix(suffix: string, tokenizer: Tokenizer): number[] {
  const ids = tokenizer.encode(suffix);
  const [first] = ids;
  if (first === undefined || suffix.startsWith(' ') || tokenizer.tokenBytes(first)[0] !== 0x20) return ids;
  const before = tokenizer.encode(BEFORE);
  const both = tokenizer.encode(`${BEFORE}${suffix}`);
  return before.every((id, i) => both[i] === id) ? both.slice(before.length) : ids;
}

/** The prompt that the middle follows. */
export function infillIds(
  texts: { readonly prefix: string; readonly suffix: string },
  tokens: InfillTokens,
  tokenizer: Tokenizer,
): number[] {
  const bos = tokenizer.addBos ? tokenizer.special.bos : undefined;
  return [
    ...(bos === undefined ? [] : [bos]),
    tokens.prefix, ...tokenizer.encode(texts.prefix), tokens.suffix, ...encodeSuffix(texts.suffix, tokenizer), tokens.middle,
  ];
}
