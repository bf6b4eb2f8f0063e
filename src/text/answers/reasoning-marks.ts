/** Marks that thoughts stand between. */
import type { ReasoningMarks } from './answer-dialect.ts';

export const THINK: ReasoningMarks = { open: '<think>', close: '</think>', cut: '\n</think>\n\n' };
/** Of Mistral's reasoning models. */
export const MISTRAL_THINK: ReasoningMarks = { open: '[THINK]', close: '[/THINK]' };

/** Of families that have no dialect of their own here. */
export const OTHER_MARKS: readonly ReasoningMarks[] = [
  MISTRAL_THINK,
  { open: '<seed:think>', close: '</seed:think>' },
  { open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
  { open: '<|inner_prefix|>', close: '<|inner_suffix|>' },
  { open: '\u25c1think\u25b7', close: '\u25c1/think\u25b7' },
  { open: '<thought>', close: '</thought>' },
];
