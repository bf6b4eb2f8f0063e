/** What the option `reasoning` comes to with a model: a variable of its template, or a limit on its thoughts. */
import { InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames, describeValue } from '../tensor/option-names.ts';
import type { AnswerDialect } from '../text/answers/answer-dialect.ts';
import type { JsonValue } from '../tensor/checkpoint.ts';
import type { TemplateOptions } from './generation-api.ts';

export type Reasoning = NonNullable<TemplateOptions['reasoning']>;

/** What is known of how a model thinks. */
export interface ReasoningSide {
  /** Whether a word stands anywhere in the model's templates; undefined where that is not known. */
  readonly templateReads?: ((word: string) => boolean) | undefined;
  /** The template's variable that lets the model think, or not. */
  readonly reasoningSwitch?: string | undefined;
  readonly dialect?: AnswerDialect | undefined;
}

const MOST_BUDGET = 1_000_000;
const THOUGHT_WORDS = ['think', 'thinking', 'reasoning_content'];

/** Where nothing is known of the template, the usual name. */
function switchOf({ templateReads, reasoningSwitch }: ReasoningSide): string | undefined {
  return templateReads === undefined ? 'enable_thinking' : reasoningSwitch;
}

/** Whether the model's template knows thoughts: one without a switch thinks always. */
function knowsThoughts({ templateReads }: ReasoningSide): boolean {
  return templateReads === undefined || THOUGHT_WORDS.some((word) => templateReads(word));
}

function isOn(reasoning: Reasoning): boolean {
  return reasoning !== false;
}

function checkValue(reasoning: unknown): asserts reasoning is Reasoning {
  if (typeof reasoning === 'boolean') return;
  if (typeof reasoning !== 'object' || reasoning === null || Array.isArray(reasoning))
    throw new InputError(`reasoning must be true, false or { budgetTokens }, found ${describeValue(reasoning)}.`);
  checkOptionNames(reasoning, { budgetTokens: true }, 'reasoning');
  const { budgetTokens } = reasoning as { readonly budgetTokens?: unknown };
  if (budgetTokens === undefined) throw new InputError('reasoning as an object needs budgetTokens: pass true for thoughts of any length.');
  checkInteger('reasoning.budgetTokens', budgetTokens as number, { min: 0, max: MOST_BUDGET });
}

/** @throws InputError for what is no such option, what would not be obeyed, and a variable that says otherwise */
export function checkReasoning({ reasoning, templateVariables }: TemplateOptions, side: ReasoningSide): void {
  if (reasoning === undefined) return;
  checkValue(reasoning);
  const name = switchOf(side);
  const variable = name ?? 'enable_thinking';
  const other = templateVariables?.[variable];
  const said = typeof reasoning === 'boolean' ? String(reasoning) : JSON.stringify(reasoning);
  if (other !== undefined && other !== isOn(reasoning))
    throw new InputError(
      `reasoning ${said} and templateVariables.${variable} ${JSON.stringify(other)} contradict each other: pass one of them.`,
    );
  const hasMarks = side.templateReads === undefined || side.dialect?.reasoning !== undefined;
  const isObeyed = typeof reasoning === 'object'
    ? hasMarks && mayThink(true, side)
    : name !== undefined || (!reasoning && (!knowsThoughts(side) || hasMarks));
  if (isObeyed) return;
  const why = knowsThoughts(side) && reasoning === true
    ? "the model's chat template has no switch for it (enable_thinking); it thinks as it was taught"
    : "the model's chat template knows no thoughts";
  throw new InputError(`reasoning ${said} would not be obeyed: ${why}. Leave it out.`);
}

/** Whether an answer may begin with a thought. */
export function mayThink(reasoning: Reasoning | undefined, side: ReasoningSide): boolean {
  return reasoning !== false && (switchOf(side) !== undefined || knowsThoughts(side));
}

/** For the template. */
export function reasoningVariables(reasoning: Reasoning | undefined, side: ReasoningSide): Readonly<Record<string, JsonValue>> {
  const name = switchOf(side);
  return reasoning === undefined || name === undefined ? {} : { [name]: isOn(reasoning) };
}

/** Most tokens of a thought; undefined: as many as the model wants. */
export function thoughtTokens(reasoning: Reasoning | undefined, side: ReasoningSide): number | undefined {
  if (typeof reasoning === 'object') return reasoning.budgetTokens;
  return reasoning === false && switchOf(side) === undefined && knowsThoughts(side) ? 0 : undefined;
}
