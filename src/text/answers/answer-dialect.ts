/** How a family of models writes its answers: a dialect, one file each. */
import type { JsonObject } from '../../tensor/checkpoint.ts';
import type { ArgumentsForm } from '../grammars/arguments-form.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { AnswerPart } from './answer-parts.ts';

/** What a dialect asks of a vocabulary. */
export type AnswerVocabulary = Pick<Tokenizer, 'idOf' | 'isSpecial'>;

/** A function that may be called. */
export interface ToolSignature {
  readonly name: string;
  /** JSON Schema of its arguments; undefined: anything. */
  readonly parameters: JsonObject | undefined;
}

export interface ReasoningMarks {
  readonly open: string;
  readonly close: string;
  /** What ends a thought that the model has not ended itself, where more than `close` does. */
  readonly cut?: string | undefined;
}

export interface AnswerParserOptions {
  /** Which functions were given; none: calls are not told apart, and what looks like one stays text. Default none. */
  readonly tools?: readonly ToolSignature[] | undefined;
  /** The end of the prompt as text, special tokens spelled out: says whether the answer begins inside a thought. Default ''. */
  readonly promptTail?: string | undefined;
  /** Names calls for which the model has no name of its own. Default `call00000` and so on. */
  readonly callId?: ((index: number) => string) | undefined;
}

/** Takes an answer token by token. */
export interface AnswerParser {
  /**
   * The next text, which belongs to the token that {@link endToken} names next.
   * @param isSpecial it is a control token, spelled out
   */
  push(text: string, isSpecial: boolean): void;
  /** All text so far that belongs to no token yet is of this one. */
  endToken(id: number): void;
  /** Parts that are certain and were not taken yet. */
  take(): readonly AnswerPart[];
  /** The answer is over: what was held back is decided. {@link take} gives the rest. */
  end(): void;
  /** Calls that were begun and are not whole: once the answer is over, those that were cut or are not valid. */
  readonly incompleteCalls: number;
  /** Calls that are whole. */
  readonly wholeCalls: number;
}

export interface CallForm {
  readonly name: string;
  /** From the beginning of the call to its arguments. */
  readonly begin: string;
  readonly arguments: ArgumentsForm;
  readonly schema: JsonObject | undefined;
  /** From the arguments to the end of the call. */
  readonly end: string;
}

/** What an answer that calls looks like, for whoever constrains one. Marks in the texts that are control tokens stand for those. */
export interface CallGrammar {
  /** Where one of these begins, a call must follow; empty: nothing announces calls, which then are the whole answer. */
  readonly triggers: readonly string[];
  /** Before the first call, between two calls, and after the last one. Undefined `separator`: only one call is written. */
  readonly begin: string;
  readonly separator: string | undefined;
  readonly end: string;
  readonly calls: readonly CallForm[];
}

export interface AnswerDialect {
  readonly name: string;
  /** Whether models with this chat template write it. */
  isFor(template: string, vocabulary: AnswerVocabulary): boolean;
  /** Of thoughts: undefined where the dialect has none. */
  readonly reasoning: ReasoningMarks | undefined;
  createParser(vocabulary: AnswerVocabulary, options?: AnswerParserOptions): AnswerParser;
  /** Undefined where the dialect has no form for calls. */
  callGrammar(tools: readonly ToolSignature[]): CallGrammar | undefined;
}
