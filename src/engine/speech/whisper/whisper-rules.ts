/**
 * Which tokens Whisper may say next: what OpenAI's decoding suppresses, and the grammar of its timestamps (Radford et al. 2022, 4.5). All
 * functions set logits of what may not be said to -Infinity, in place.
 */
import type { WhisperTokens } from './whisper-tokens.ts';

export interface WhisperRules {
  /** Never said: marks that are no speech, and special tokens. */
  readonly suppressed: readonly number[];
  /** Not said first: a space, and the end. */
  readonly suppressedFirst: readonly number[];
  /** Absent where an answer has no timestamps. */
  readonly timestamps?: TimestampRules | undefined;
}

export interface TimestampRules {
  /** The latest that an answer may begin at, in timestamps: 50 are one second. Undefined: any. */
  readonly mostInitial?: number | undefined;
}

/** @param said tokens of the answer so far, its prompt not among them */
export function applyWhisperRules(
  logits: Float32Array, said: readonly number[], rules: WhisperRules, tokens: WhisperTokens,
): void {
  if (said.length === 0) forbid(logits, rules.suppressedFirst);
  forbid(logits, rules.suppressed);
  if (rules.timestamps !== undefined) applyTimestampRules(logits, said, rules.timestamps, tokens);
}

/** Timestamps come in pairs, an end and the next beginning, and do not go back; where they are likelier than any text, one comes. */
function applyTimestampRules(logits: Float32Array, said: readonly number[], { mostInitial }: TimestampRules, tokens: WhisperTokens): void {
  const { noTimestamps, firstTimestamp, endOfText } = tokens;
  const isTimestamp = (id: number | undefined): boolean => id !== undefined && id >= firstTimestamp;
  const last = said.at(-1);
  const isAfterOne = isTimestamp(last);
  const isAfterPair = isAfterOne && (said.length < 2 || isTimestamp(said.at(-2)));
  logits[noTimestamps] = -Infinity;
  if (isAfterPair) logits.fill(-Infinity, firstTimestamp);
  else if (isAfterOne) logits.fill(-Infinity, 0, endOfText);
  const latest = said.findLast((id) => isTimestamp(id));
  if (latest !== undefined) logits.fill(-Infinity, firstTimestamp, isAfterOne && !isAfterPair ? latest : latest + 1);
  if (said.length === 0) {
    logits.fill(-Infinity, 0, firstTimestamp);
    if (mostInitial !== undefined) logits.fill(-Infinity, firstTimestamp + mostInitial + 1);
  }
  if (isTimestampLikelier(logits, firstTimestamp)) logits.fill(-Infinity, 0, firstTimestamp);
}

/** Whether all timestamps together are likelier than the likeliest other token. */
function isTimestampLikelier(logits: Float32Array, firstTimestamp: number): boolean {
  let text = -Infinity;
  for (let id = 0; id < firstTimestamp; id++) if (logits[id]! > text) text = logits[id]!;
  return logSumExp(logits.subarray(firstTimestamp)) > text;
}

function forbid(logits: Float32Array, ids: readonly number[]): void {
  for (const id of ids) if (id < logits.length) logits[id] = -Infinity;
}

/** log of the sum of e^x; -Infinity of none. */
export function logSumExp(values: Float32Array): number {
  let most = -Infinity;
  for (let i = 0; i < values.length; i++) if (values[i]! > most) most = values[i]!;
  if (most === -Infinity) return most;
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += Math.exp(values[i]! - most);
  return most + Math.log(sum);
}

/** log p of one token. */
export function logProbability(logits: Float32Array, id: number): number {
  return logits[id]! - logSumExp(logits);
}

export interface DetectedLanguage {
  readonly code: string;
  readonly probability: number;
}

/** The likeliest language and its probability among all of them, of the logits behind the first token alone. */
export function detectLanguage(logits: Float32Array, { languages }: WhisperTokens): DetectedLanguage {
  const codes = [...languages.keys()];
  const ofLanguages = Float32Array.from(codes, (code) => logits[languages.get(code)!]!);
  let best = 0;
  for (let i = 1; i < codes.length; i++) if (ofLanguages[i]! > ofLanguages[best]!) best = i;
  return { code: codes[best]!, probability: Math.exp(logProbability(ofLanguages, best)) };
}
