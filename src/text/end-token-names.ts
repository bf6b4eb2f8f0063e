/**
 * Tokens that end an answer, known by their text. Files often name one end token where the model writes several;
 * llama.cpp looks for these, and so does this.
 */
import type { SpecialTokens } from './tokenizer.ts';

const endOfTurn = [
  '<|eot_id|>',
  '<|im_end|>',
  '<|end|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '_<EOT>',
  '[EOT]',
  '<\uff5cend\u2581of\u2581sentence\uff5c>',
  '<end_of_utterance>',
] as const;

const endOfMessage = '<|eom_id|>';

const endOfAnswer = [
  ...endOfTurn,
  endOfMessage,
  '<|return|>',
  '<|call|>',
  '<|flush|>',
  '<|calls|>',
  '</s>',
  '[EOS]',
  '<eos>',
  '<turn|>',
  '<|tool_response>',
  '[e~[',
] as const;

/** Fill-in-the-middle tokens, of which the padding, the repository and the file separator end an answer. */
const fillPad = ['<|fim_pad|>', '<fim-pad>', '<fim_pad>', '<PAD>', '[PAD]'] as const;
const fillRepository = ['<|fim_repo|>', '<|repo_name|>', '<fim-repo>', '<REPO>', '<reponame>'] as const;
const fillSeparator = ['<|file_sep|>'] as const;
const fillOthers = [
  [
    '<|fim_prefix|>',
    '<fim-prefix>',
    '<fim_prefix>',
    '<\uff5cfim\u2581begin\uff5c>',
    '<PRE>',
    '\u2581<PRE>',
    '<|code_prefix|>',
    '<|prefix|>',
  ],
  [
    '<|fim_suffix|>',
    '<fim-suffix>',
    '<fim_suffix>',
    '<\uff5cfim\u2581hole\uff5c>',
    '<SUF>',
    '\u2581<SUF>',
    '<|code_suffix|>',
    '<|suffix|>',
  ],
  [
    '<|fim_middle|>',
    '<fim-middle>',
    '<fim_middle>',
    '<\uff5cfim\u2581end\uff5c>',
    '<MID>',
    '\u2581<MID>',
    '<|code_middle|>',
    '<|middle|>',
  ],
] as const;

/** Tokens of a channel format that are always shown. */
const alwaysShown = ['<|channel|>', '<|message|>', '<|start|>', '<|constrain|>'] as const;

export interface DeclaredTokens {
  readonly declared: SpecialTokens;
  readonly fimPad: number | undefined;
  readonly fimRepo: number | undefined;
  readonly fimSeparator: number | undefined;
}

export interface DetectedTokens {
  readonly eot: number | undefined;
  readonly eom: number | undefined;
  readonly endIds: Set<number>;
  /** Tokens that are control tokens whatever the file says; likewise user-defined and normal ones. */
  readonly controlIds: readonly number[];
  readonly userDefinedIds: readonly number[];
  readonly normalIds: readonly number[];
}

export function detectEndTokens(idOf: ReadonlyMap<string, number>, tokens: DeclaredTokens): DetectedTokens {
  const idsOf = (names: readonly string[]): number[] => names.flatMap((name) => idOf.get(name) ?? []);
  const { declared } = tokens;
  const controlIds: number[] = [];
  const detect = (id: number | undefined, names: readonly string[]): number | undefined => {
    if (id !== undefined) return id;
    const [found] = idsOf(names);
    if (found !== undefined) controlIds.push(found);
    return found;
  };
  const eot = detect(declared.eot, endOfTurn);
  const eom = detect(declared.eom, [endOfMessage]);
  for (const names of fillOthers) detect(undefined, names);
  const endIds = new Set<number>();
  const add = (id: number | undefined): void => {
    if (id !== undefined) endIds.add(id);
  };
  add(detect(tokens.fimPad, fillPad));
  add(detect(tokens.fimRepo, fillRepository));
  add(detect(tokens.fimSeparator, fillSeparator));
  for (const id of idsOf(endOfAnswer)) {
    add(id);
    controlIds.push(id);
  }
  const userDefinedIds = idsOf(alwaysShown);
  for (const id of [declared.eos, eot, eom]) add(id);
  const normalIds: number[] = [];
  const ends = (name: string): boolean => endIds.has(idOf.get(name) ?? -1);
  const drop = (name: string, list: number[]): void => {
    const id = idOf.get(name);
    if (id === undefined || !endIds.delete(id)) return;
    list.push(id);
  };
  // Where <|return|> and <|call|> end answers, <|end|> only closes a channel; where <|tool_response> does, </s> is text.
  const calls = ends('<|call|>') || ends('<|calls|>');
  if (calls && (ends('<|return|>') || ends('<|flush|>'))) drop('<|end|>', userDefinedIds);
  if (ends('<|tool_response>')) drop('</s>', normalIds);
  return { eot, eom, endIds, controlIds, userDefinedIds, normalIds };
}

/** Ids of tokens whose text says that they end an answer, for sources that give no list of their own. */
export function wellKnownEndIds(idOf: (text: string) => number | undefined): number[] {
  return endOfAnswer.flatMap((name) => idOf(name) ?? []);
}
