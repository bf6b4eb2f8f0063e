/** What results say nothing of, and what would have to be measured so that they do. */
import { DECODE, medianOf, PREFILL, series, STREAM_DECODE, TELLING_TOKENS, TTFT } from './measured-model.ts';
import type { MeasuredModel } from './measured-model.ts';

interface Question {
  readonly question: string;
  /** As a plan names it. */
  readonly measure: string;
  isAnswered(model: MeasuredModel): boolean;
}

const QUESTIONS: readonly Question[] = [
  { question: 'how fast it answers', measure: 'decode', isAnswered: (model) => series(model, DECODE).length > 0 },
  {
    question: 'how long prompts take', measure: 'prefill',
    isAnswered: (model) => [TTFT, PREFILL].some((one) => series(model, one).some(({ x }) => x >= TELLING_TOKENS)),
  },
  { question: 'how long conversations may be', measure: 'decode at two lengths', isAnswered: (model) => series(model, DECODE).length > 1 },
  { question: 'how many answers at a time', measure: 'concurrency', isAnswered: (model) => series(model, STREAM_DECODE).length > 1 },
  { question: 'how good it is', measure: 'quality', isAnswered: (model) => medianOf(model, 'perplexity') !== undefined },
  { question: 'what other programs cost it', measure: 'busy', isAnswered: ({ rows }) => rows.some(({ workload }) => workload === 'busy') },
  { question: 'whether heat slows it', measure: 'drift', isAnswered: ({ rows }) => rows.some(({ workload }) => workload === 'drift') },
];

/** One text for each question that no figure answers: `how good it is (quality)`. */
export function unmeasured(model: MeasuredModel): string[] {
  return QUESTIONS.filter(({ isAnswered }) => !isAnswered(model)).map(({ question, measure }) => `${question} (${measure})`);
}
