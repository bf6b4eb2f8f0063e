/** An answer as it comes: its text, its thought, its calls, and when they came. */
import type { AnswerPiece, ToolCall, Usage } from '../transport/transport.ts';
import type { Figures, Turn } from './conversation.ts';

export interface AnswerParts {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ToolCall[];
}

export const EMPTY_PARTS: AnswerParts = { text: '', reasoning: '', toolCalls: [] };

/** Filled in while an answer comes; times are of `performance.now()`. */
export interface Clock {
  /** Its name. */
  readonly model: string;
  askedAt: number;
  firstAt?: number;
  lastAt?: number;
  /** When its first text came after a thought. */
  thoughtAt?: number;
  usage?: Usage;
  /** Pieces that brought anything: about as many as tokens. */
  count: number;
}

function withCalls(calls: readonly ToolCall[], deltas: NonNullable<AnswerPiece['toolCalls']>): readonly ToolCall[] {
  const next = [...calls];
  for (const { index, id, name, arguments: text = '' } of deltas) {
    const before = next[index] ?? { id: id ?? `call_${index}`, name: '', arguments: '' };
    next[index] = { id: id ?? before.id, name: name ?? before.name, arguments: before.arguments + text };
  }
  return next;
}

/** What was said with one more piece, and the clock set by it. */
export function addPiece(parts: AnswerParts, piece: AnswerPiece, clock: Clock): AnswerParts {
  const { text = '', reasoning = '', toolCalls = [], usage } = piece;
  if (usage !== undefined) clock.usage = usage;
  if (text === '' && reasoning === '' && toolCalls.length === 0) return parts;
  const now = performance.now();
  clock.firstAt ??= now;
  clock.lastAt = now;
  clock.count++;
  if (parts.reasoning !== '' && (text !== '' || toolCalls.length > 0)) clock.thoughtAt ??= now;
  return {
    text: parts.text + text,
    reasoning: parts.reasoning + reasoning,
    toolCalls: toolCalls.length === 0 ? parts.toolCalls : withCalls(parts.toolCalls, toolCalls),
  };
}

function figuresOf({ model, askedAt, firstAt, lastAt, usage, count }: Clock): Figures {
  const tokens = usage?.completionTokens ?? count;
  const streamMs = firstAt === undefined || lastAt === undefined ? 0 : lastAt - firstAt;
  return {
    model,
    usage,
    firstMs: firstAt === undefined ? undefined : firstAt - askedAt,
    totalMs: performance.now() - askedAt,
    tokensPerSecond: tokens > 1 && streamMs > 0 ? ((tokens - 1) / streamMs) * 1000 : undefined,
  };
}

/** As a turn has it. */
export function collectAnswer({ text, reasoning, toolCalls }: AnswerParts, clock: Clock): Partial<Turn> {
  const thoughtEnd = clock.thoughtAt ?? clock.lastAt;
  return {
    text,
    figures: figuresOf(clock),
    ...(toolCalls.length === 0 ? {} : { toolCalls: toolCalls.filter((call) => call !== undefined) }),
    ...(reasoning === '' ? {} : { reasoning, reasoningMs: (thoughtEnd ?? 0) - (clock.firstAt ?? 0) }),
  };
}
