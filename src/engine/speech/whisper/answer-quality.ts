/** Whether an answer is to be believed, or tried again at a higher temperature. Pure. */

export interface AnswerFigures {
  /** Mean of log p over the tokens and the end. */
  readonly meanLogProbability: number;
  /** Bytes of the text over those of it compressed: text that repeats itself compresses well. */
  readonly compressionRatio: number;
  /** p of the token for no speech, of the logits behind the token that starts a transcript. */
  readonly noSpeechProbability: number;
}

export interface QualityLimits {
  readonly leastMeanLogProbability: number;
  readonly mostCompressionRatio: number;
  readonly mostNoSpeechProbability: number;
}

/** Those of openai-whisper. */
export const QUALITY_LIMITS: QualityLimits = { leastMeanLogProbability: -1, mostCompressionRatio: 2.4, mostNoSpeechProbability: 0.6 };
/** Tried in turn. */
export const TEMPERATURES: readonly number[] = [0, 0.2, 0.4, 0.6, 0.8, 1];
/** An answer of a higher temperature is no context for the next window. */
export const MOST_CONTEXT_TEMPERATURE = 0.5;

/** Nobody speaks: no text is better than this one. */
export function isSilence({ noSpeechProbability, meanLogProbability }: AnswerFigures, limits = QUALITY_LIMITS): boolean {
  return noSpeechProbability > limits.mostNoSpeechProbability && meanLogProbability < limits.leastMeanLogProbability;
}

/** Whether to try the next temperature. */
export function needsFallback(figures: AnswerFigures, limits = QUALITY_LIMITS): boolean {
  if (isSilence(figures, limits)) return false;
  return figures.compressionRatio > limits.mostCompressionRatio || figures.meanLogProbability < limits.leastMeanLogProbability;
}

/** Bytes of a text over those that zlib makes of it at its default level; 0 of an empty text. A page that hears nothing loads no zlib. */
export async function compressionRatio(text: string): Promise<number> {
  const { deflate } = await import('pako');
  const bytes = new TextEncoder().encode(text);
  return bytes.length === 0 ? 0 : bytes.length / deflate(bytes).length;
}
