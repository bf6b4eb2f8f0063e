/**
 * How a tokenizer.json splits text before byte-pair merges, as the name that GGUF has for it (`tokenizer.ggml.pre`).
 * Names and patterns: llama.cpp, `llm_tokenizer_bpe`. Told by the patterns alone; nothing here depends on a model's name.
 */
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = '\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const CASED_WORDS =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+' +
  '|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*';
const CASED_WORDS_WITH_CONTRACTIONS = CASED_WORDS.split('|')
  .map((word) => `${word}(?i:'s|'t|'re|'ve|'m|'ll|'d)?`)
  .join('|');
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Kinds that one pattern tells. */
const KIND_OF_PATTERN: ReadonlyMap<string, string> = new Map([
  [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`, 'llama-bpe'],
  [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${SPACES}`, 'qwen2'],
  [`${CONTRACTIONS}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${SPACES}`, 'qwen35'],
  [`${CASED_WORDS}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`, 'tekken'],
  [`${CASED_WORDS_WITH_CONTRACTIONS}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`, 'gpt-4o'],
  [GPT2, 'gpt-2'],
]);

/** One step of a pre-tokenizer: a pattern, or a rule with a name. */
type Step = string;

/** The kind of a `pre_tokenizer` of tokenizer.json, or undefined for one that is not known. */
export function preTokenizerKind(preTokenizer: JsonObject): string | undefined {
  const steps = stepsOf(preTokenizer);
  const byteLevel = steps.at(-1);
  if (byteLevel !== 'ByteLevel' && byteLevel !== 'ByteLevel with GPT-2 pattern') return undefined;
  const before = steps.slice(0, -1);
  if (byteLevel === 'ByteLevel with GPT-2 pattern') {
    if (before.length === 0) return 'gpt-2';
    return before.length === 1 && before[0] === 'Digits one by one' ? 'smollm' : undefined;
  }
  if (before.length === 1) return KIND_OF_PATTERN.get(before[0]!);
  return deepseekKind(before);
}

/** The three kinds that split by several patterns in turn, some of them long lists of ranges: told by a part of one. */
function deepseekKind(steps: readonly Step[]): string | undefined {
  if (steps.some((step) => step.includes('[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+'))) return 'deepseek-v3';
  if (steps[0] !== '[\\r\\n]') return undefined;
  if (steps[1]?.startsWith('\\s?[A-Za-zµÀ-Ö')) return 'deepseek-llm';
  return steps[1] === '\\s?\\p{L}+' && steps[2] === '\\s?\\p{P}+' ? 'deepseek-coder' : undefined;
}

function stepsOf(value: JsonValue | undefined): Step[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return ['?'];
  const step = value as JsonObject;
  switch (step['type']) {
    case 'Sequence':
      return Array.isArray(step['pretokenizers']) ? (step['pretokenizers'] as JsonValue[]).flatMap(stepsOf) : ['?'];
    case 'Split':
      return [patternOf(step)];
    case 'Digits':
      return [step['individual_digits'] === true ? 'Digits one by one' : 'Digits'];
    case 'ByteLevel':
      if (step['add_prefix_space'] === true) return ['?'];
      return [step['use_regex'] === false ? 'ByteLevel' : 'ByteLevel with GPT-2 pattern'];
    default:
      return ['?'];
  }
}

/** A split's pattern in one spelling: line ends escaped, contractions with the flag that most files use. */
function patternOf(split: JsonObject): Step {
  const pattern = split['pattern'];
  const regex = typeof pattern === 'object' && pattern !== null && !Array.isArray(pattern) ? (pattern as JsonObject)['Regex'] : undefined;
  if (typeof regex !== 'string') return '?';
  return regex
    .replaceAll('\r', '\\r')
    .replaceAll('\n', '\\n')
    .replace("'(?i:[sdmt]|ll|ve|re)", CONTRACTIONS)
    .replace("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTIONS);
}
