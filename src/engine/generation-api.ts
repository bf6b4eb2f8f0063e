/** The public types of a generation: what `generate`, `chat.send` and their like take and give. */
import type { Picture } from '../models/vision.ts';
import type { JsonObject, JsonValue } from '../tensor/checkpoint.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import type { OnProgress } from '../tensor/progress.ts';
import type { AnswerPart } from '../text/answers/answer-parts.ts';
import type { OutputFormat } from '../text/grammars/output-format.ts';

/** A message as chat templates read it (the form of OpenAI and Hugging Face, so its fields keep their names). */
export interface ChatMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool' | (string & {});
  /**
   * A text, parts, or null beside tool calls. Parts are texts (`{ type: 'text', text }`; where the template reads none they become a text,
   * a line each), and for a model that sees images and frames of videos, as `imagePart` and `videoPart` make them and OpenAI has them
   * (`{ type: 'image_url', image_url: { url: 'data:image/png;base64,...' } }`).
   */
  readonly content: string | null | readonly JsonObject[];
  /** What an assistant thought before `content`. */
  readonly reasoning_content?: string;
  /** Arguments may be an object or its JSON text. */
  readonly tool_calls?: readonly JsonObject[];
  readonly [field: string]: JsonValue | undefined;
}

/**
 * A message as other libraries type it, OpenAI's `ChatCompletionMessageParam` among them: what it holds is checked as that of a
 * {@link ChatMessage}.
 */
export interface MessageLike {
  readonly role: string;
  readonly content?: string | null | readonly object[] | undefined;
}

/** How the next token is chosen. What is left out comes from the model's own defaults, else temperature 1 and the rest off. */
export interface SamplingOptions {
  /** 0 takes the likeliest token (ties: the lowest id); at least 0. */
  readonly temperature?: number | undefined;
  /** Keep the k likeliest tokens; 0 is off. */
  readonly topK?: number | undefined;
  /** Keep the likeliest tokens that together reach this probability, in (0, 1]; 1 is off. */
  readonly topP?: number | undefined;
  /** Drop tokens less likely than this share of the likeliest one's probability, in [0, 1]; 0 is off. */
  readonly minP?: number | undefined;
  /** Divides (positive) or multiplies (negative) logits of tokens in prompt or output, above 0; 1 is off. */
  readonly repetitionPenalty?: number | undefined;
  /** Subtracted from the logit of every token in the output, in [-2, 2]; 0 is off. */
  readonly presencePenalty?: number | undefined;
  /** Subtracted from a token's logit once per occurrence in the output, in [-2, 2]; 0 is off. */
  readonly frequencyPenalty?: number | undefined;
  /** An integer from 0 to 2^53 - 1. Same seed, same logits: same tokens. Drawn at random where absent. */
  readonly seed?: number | undefined;
}

/**
 * What is added to the logits of some tokens, from -100 to 100: pairs of a token's id or text and its number, or an object by ids or
 * texts, of whose names integers are ids (as OpenAI). A text must be one token.
 */
export type LogitBias = Readonly<Record<string, number>> | readonly (readonly [token: number | string, bias: number])[];

/** What every kind of generation takes. */
export interface DecodingOptions extends SamplingOptions {
  /** Prefers and avoids tokens, before penalties: 100 makes a token nearly certain, -100 leaves it out. */
  readonly logitBias?: LogitBias | undefined;
  /**
   * Texts that the answer never holds, by whatever tokens they could be made: one that would complete such a text is not chosen. Each token
   * is then chosen before the next one is begun, which makes answers of a GPU slower. Upper and lower case differ.
   */
  readonly bannedTexts?: readonly string[] | undefined;
  /**
   * What the answer has to be: JSON, JSON by a schema, a text of an expression or a grammar, one of some texts, or text with calls of tools
   * (docs/structured-output.md). An answer that ends with `stop` is a whole one; one that is cut is the beginning of one. Refused with the
   * path to the part that cannot be obeyed.
   */
  readonly format?: OutputFormat | undefined;
  /**
   * An integer from -100 to 100: of calls that wait, or need the same memory, the greater goes first; of equals the one with the nearer
   * deadline, then the one that came first. Default 0.
   */
  readonly priority?: number | undefined;
  /**
   * Milliseconds from when its turn is first asked for a piece: a call that is not over then rejects with a CapacityError, whether it waits
   * or runs. Default: any number.
   */
  readonly deadlineMs?: number | undefined;
  /**
   * Most tokens to generate, the end token counted; more than the context has left are refused. Where absent: 256 after a `prompt` or
   * `ids`, what the context has left after messages. An answer that meets the end of the context ends with the reason `context`.
   */
  readonly maxTokens?: number | undefined;
  /** Texts that end the answer; they are not part of it. */
  readonly stop?: string | readonly string[] | undefined;
  /** Goes on past end tokens. */
  readonly ignoreEos?: boolean | undefined;
  /** True: log probability of each token. A number (0 to 20): also of that many likeliest tokens. */
  readonly logprobs?: boolean | number | undefined;
  /**
   * Aborting makes the iteration reject with the signal's reason, within one token or one prefill chunk (on the CPU about half a second).
   */
  readonly signal?: CancelSignal | undefined;
  /** Called when prefill begins, with 0 loaded, and after every chunk of it, in tokens. */
  readonly onProgress?: OnProgress | undefined;
}

/** What goes to the chat template beside the messages. */
export interface TemplateOptions {
  /** JSON descriptions of functions, as the template expects them; refused where it reads none. */
  readonly tools?: readonly JsonObject[] | undefined;
  /** Further variables of the template; refused where it does not name them. */
  readonly templateVariables?: Readonly<Record<string, JsonValue>> | undefined;
  /**
   * `canonical`: tools stand in the prompt by name, and their keys in one order, so that the same tools listed in another order find the
   * state that is there. Default `given`: as they are.
   */
  readonly toolOrder?: 'given' | 'canonical' | undefined;
  /**
   * Whether the model thinks before it answers: true or false by the switch of its template (`enable_thinking`, Granite's `thinking`).
   * Where that has none, false ends each thought as it begins, and true is refused. `budgetTokens`: it thinks, and a thought of so many
   * tokens is ended by the family's own mark, so that the answer goes on (0: as it begins). Refused for a model that does not think.
   */
  readonly reasoning?: boolean | { readonly budgetTokens: number } | undefined;
}

/**
 * What becomes of a conversation that outgrows the context. `error`: a prompt that does not fit, or not with `maxTokens`, is refused
 * with a CapacityError before any work. `slide`: where the prompt leaves less than an eighth of the context (or `maxTokens`) for the
 * answer, the system's messages at the beginning stay and whole oldest turns (a user's message with all that follows it up to the next) are
 * left out of the prompt: as few as free a quarter of the context (or `maxTokens` and an eighth), so that the next slide is some turns
 * away. The last turn always stays; it is refused where it does not fit. {@link FinalPiece.droppedTurns} says how many turns are out.
 */
export type ContextPolicy = 'error' | 'slide';

/**
 * Which calls an answer may make. `auto`: any, or none. `none`: none; the model is not told of the tools. `required`: at least one. A name:
 * calls of that function only, at least one. By the last two the answer is held to calls whose arguments are valid by their schema; where
 * the model may think, text may come before them.
 */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly name: string };

export interface ConversationOptions extends TemplateOptions {
  /** Default `auto`. */
  readonly toolChoice?: ToolChoice | undefined;
  /** Default `error`. */
  readonly contextPolicy?: ContextPolicy | undefined;
  /**
   * Name of the dialect that the answer's parts are read by ({@link ModelInfo.dialect}). Default: the model's own, which its chat template
   * and its tokens say.
   */
  readonly dialect?: string | undefined;
}

/** Exactly one of `prompt`, `ids`, `segments` and `messages`. */
export interface GenerateOptions extends DecodingOptions, ConversationOptions {
  /** Text to continue: gets the model's beginning token where it has one; special tokens in it are plain text. */
  readonly prompt?: string | undefined;
  /** Token ids to continue, as they are. */
  readonly ids?: ArrayLike<number> | undefined;
  /**
   * Token ids and pictures in turn, as they are, of a model that sees: a text's end is the last of them. Pictures are as the model's tower
   * takes them ({@link Model.vision}); those of one `key` are taken for the same.
   */
  readonly segments?: readonly (readonly number[] | Picture)[] | undefined;
  /**
   * A conversation to answer, rendered by the model's chat template. Where it ends with an assistant's message, the model goes on with
   * that: its turn is left open, and the answer is what follows.
   */
  readonly messages?: readonly (ChatMessage | MessageLike)[] | undefined;
  /**
   * How many answers to make, 1 to 64; default 1. The prompt is read once, to a page; answer i has the seed + i; pieces of all of them come
   * as they are made, each with its `index`.
   */
  readonly n?: number | undefined;
  /**
   * True: the first piece of each answer is the prompt: its text (a `prompt` as it is, else that of its tokens, control tokens spelled
   * out), its tokens, no parts, and with `logprobs` how likely each of its tokens was (NaN for the first, which nothing predicts), for
   * which the prompt is read once more. `usage` and `maxTokens` do not count it.
   */
  readonly echo?: boolean | undefined;
  /** As {@link ChatOptions.cachePrompt}. */
  readonly cachePrompt?: boolean | undefined;
}

export interface InfillOptions extends DecodingOptions {
  /** What stands before the text that is wanted. */
  readonly prefix: string;
  /** What stands behind it; may be empty, as may be the prefix. */
  readonly suffix: string;
  /** As {@link ChatOptions.cachePrompt}. */
  readonly cachePrompt?: boolean | undefined;
}

export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** Natural log of the softmax of the model's own logits, before penalties and temperature (as OpenAI). */
export interface ChosenLogprob extends TokenLogprob {
  /** The likeliest tokens, best first; as many as asked for. */
  readonly top: readonly TokenLogprob[];
}

/** New text (empty while it may be the beginning of a stop text, or half a character) and the tokens sampled for it: of every piece. */
interface PieceText {
  /** As the model writes it, marks of thoughts and calls included, control tokens left out. */
  readonly text: string;
  readonly tokens: readonly number[];
  /**
   * What has become certain of the answer with this piece: text, reasoning, and tool calls where `tools` were given. What may be a mark
   * waits, so a part may come in a later piece than its tokens do.
   */
  readonly parts: readonly AnswerPart[];
  /** Which answer it is of, where several were asked for by {@link GenerateOptions.n}; else 0. */
  readonly index: number;
  /** One entry per token, where asked for. */
  readonly logprobs?: readonly ChosenLogprob[] | undefined;
}

/** A piece of an answer that goes on. */
export interface TextPiece extends PieceText {
  /** What only the last piece has: `if (piece.finishReason)` narrows to it, and `piece.usage?.completionTokens` needs no narrowing. */
  readonly finishReason?: undefined;
  readonly stopText?: undefined;
  readonly incompleteCalls?: undefined;
  readonly droppedTurns?: undefined;
  readonly usage?: undefined;
  readonly timings?: undefined;
  readonly seed?: undefined;
}

/**
 * `stop`: an end token or a stop text. `tool_calls`: the same, and the answer has a whole call. `length`: maxTokens. `context`: prompt and
 * answer fill the context.
 */
export type FinishReason = 'stop' | 'tool_calls' | 'length' | 'context';

/** Where a prompt parted from the one whose state was there. */
export interface CacheBreak {
  /** Position of the first token that differs: what stands before it could be used, to a page (64 tokens) of other calls' prompts. */
  readonly token: number;
  /**
   * What it stands in: the description of tools, a message (with the template's text before it), or what the template puts behind the last
   * one. Undefined for a prompt that is no conversation, and where the template does not let it be told.
   */
  readonly part?: 'tools' | 'message' | 'end' | undefined;
  /** Which of the messages, and its role: a changed `system` is that of a header. */
  readonly message?: number | undefined;
  readonly role?: string | undefined;
}

export interface Usage {
  readonly promptTokens: number;
  /** How many of the prompt's tokens were in the cache already; the rest were prefilled. */
  readonly cachedTokens: number;
  /**
   * What kept more of the prompt from being there: where it first differs from the prompt and answer before it in its chat, or from those
   * of other calls, that begin like it the longest. Undefined where nothing began like it, or all of that could be used.
   */
  readonly cacheBreak?: CacheBreak | undefined;
  /** Sampled tokens, the end token counted. */
  readonly completionTokens: number;
}

export interface Timings {
  /** From the start of this call's turn to its first sampled token. */
  readonly ttftMs: number;
  /** How long the call waited for its first step. */
  readonly queueMs: number;
  readonly prefillMs: number;
  /** Over promptTokens - cachedTokens. */
  readonly prefillTokensPerSecond: number;
  /** All steps after the first sampled token, the reader's own time left out. */
  readonly decodeMs: number;
  /** Over completionTokens - 1; 0 where there was no second token. */
  readonly decodeTokensPerSecond: number;
}

/** The last piece: what was still held back, the end token if there was one, and the figures. */
export interface FinalPiece extends PieceText {
  readonly finishReason: FinishReason;
  /** The stop text that ended the answer, if one did. */
  readonly stopText: string | undefined;
  /** Tool calls that the answer began and that are not whole, since it was cut or they are not valid: they have no end in the parts. */
  readonly incompleteCalls: number;
  /** How many of the oldest turns of the conversation, in all, the prompt lacks by contextPolicy `slide`; 0 where none. */
  readonly droppedTurns: number;
  readonly usage: Usage;
  readonly timings: Timings;
  /** Pass it again for the same answer. */
  readonly seed: number;
}

export type Piece = TextPiece | FinalPiece;

/** Runs as it is read. Leaving the loop cancels the rest; errors, those of bad options too, come from the iteration. */
export type Generation = AsyncIterableIterator<Piece>;
