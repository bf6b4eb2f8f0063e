/** Answers, the calls in them run, their results given back, until an answer has none: a model with functions at hand. */
import { InputError } from '../tensor/errors.ts';
import { checkInteger, checkOptionNames } from '../tensor/option-names.ts';
import { checkOperation } from '../tensor/progress.ts';
import type { ToolCall } from '../text/answers/answer-parts.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import type { Chat, ChatMessage, FinalPiece, SendOptions } from './api.ts';
import { createChatSession } from './chat.ts';
import type { SavingHost } from './chat.ts';
import { RUN_TOOLS_NAMES } from './option-names.ts';
import { checkMessages } from './prompt.ts';
import type { RunToolsOptions, ToolResult, ToolRunEvent, ToolRunResult, ToolRunUsage } from './tool-api.ts';
import { checkToolChoice } from './tool-choice.ts';
import { readyTools, runCall } from './tool-functions.ts';
import type { ReadyTool } from './tool-functions.ts';

const DEFAULT_ROUNDS = 10;
const MOST_ROUNDS = 1000;

/** A run, its options checked. */
interface Run {
  readonly host: SavingHost;
  readonly options: RunToolsOptions;
  readonly tools: ReadonlyMap<string, ReadyTool>;
  readonly maxRounds: number;
  /** What every answer is asked with. */
  readonly send: SendOptions;
  readonly stopping: AbortController;
  readonly usage: { -readonly [Name in keyof ToolRunUsage]: number };
}

function startRun(host: SavingHost, options: RunToolsOptions): Run {
  host.core.checkOpen();
  checkOptionNames(options, RUN_TOOLS_NAMES, 'runTools');
  checkOperation(options);
  const { messages, tools, toolChoice, maxRounds, cachePrompt: _cachePrompt, ...send } = options;
  checkMessages(messages);
  checkInteger('maxRounds', maxRounds, { min: 1, max: MOST_ROUNDS });
  const ready = readyTools(tools);
  checkToolChoice(toolChoice, [...ready.values()].map(({ description }) => description));
  return {
    host, options, tools: ready, maxRounds: maxRounds ?? DEFAULT_ROUNDS, send, stopping: new AbortController(),
    usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  };
}

interface Answered {
  readonly final: FinalPiece;
  readonly content: string;
  readonly calls: readonly ToolCall[];
}

/** One answer: its pieces as they come. */
async function* answerOf(
  run: Run, chat: Chat, messages: readonly ChatMessage[], round: number,
): AsyncGenerator<ToolRunEvent, Answered, undefined> {
  const collector = createPartCollector();
  let final: FinalPiece | undefined;
  const tools = [...run.tools.values()].map(({ description }) => description);
  const toolChoice = round === 1 || run.options.toolChoice === 'none' ? run.options.toolChoice : 'auto';
  for await (const piece of chat.send(messages, { ...run.send, tools, toolChoice })) {
    collector.add(piece.parts);
    if (piece.finishReason !== undefined) final = piece;
    yield { type: 'piece', round, piece };
  }
  if (final === undefined) throw new Error('runTools: an answer ended without a last piece');
  const { content, toolCalls } = collector.content();
  for (const name of Object.keys(run.usage) as (keyof ToolRunUsage)[]) run.usage[name] += final.usage[name];
  return { final, content, calls: toolCalls };
}

/** Rejects with the signal's reason when it aborts. */
function aborted(signal: AbortSignal): { readonly rejection: Promise<never>; forget(): void } {
  let forget = () => {};
  const rejection = new Promise<never>((_, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    forget = () => signal.removeEventListener('abort', abort);
  });
  rejection.catch(() => {});
  return { rejection, forget };
}

/** Runs all calls of an answer together; results in their order. */
async function* resultsOf(
  run: Run, calls: readonly ToolCall[], round: number,
): AsyncGenerator<ToolRunEvent, readonly ToolResult[], undefined> {
  const { stopping: { signal } } = run;
  const waiting = new Map<number, Promise<readonly [number, ToolResult]>>();
  const results: ToolResult[] = [];
  const leaving = aborted(signal);
  try {
    for (const [i, call] of calls.entries()) {
      yield { type: 'call', round, call };
      waiting.set(i, runCall(run.tools, { call, round, signal }).then((result) => [i, result] as const));
    }
    while (waiting.size > 0) {
      const [i, result] = await Promise.race([...waiting.values(), leaving.rejection]);
      waiting.delete(i);
      results[i] = result;
      yield { type: 'result', round, call: calls[i] as ToolCall, result };
    }
    return results;
  } finally {
    leaving.forget();
  }
}

function endOf(run: Run, chat: Chat, { final, content }: Answered, end: Pick<ToolRunResult, 'rounds' | 'reason'>): ToolRunResult {
  return { type: 'end', ...end, content, messages: chat.history, incompleteCalls: final.incompleteCalls, usage: { ...run.usage } };
}

function resultMessage(call: ToolCall, { content }: ToolResult): ChatMessage {
  return { role: 'tool', tool_call_id: call.id, name: call.name, content };
}

async function* rounds(run: Run, chat: Chat): AsyncGenerator<ToolRunEvent, void, undefined> {
  const { messages } = run.options;
  chat.history = messages.slice(0, -1);
  let asked = messages.slice(-1);
  for (let round = 1; ; round++) {
    const answered = yield* answerOf(run, chat, asked, round);
    const { final: { finishReason }, calls } = answered;
    if (finishReason !== 'tool_calls') return yield endOf(run, chat, answered, { rounds: round, reason: finishReason });
    const results = yield* resultsOf(run, calls, round);
    asked = calls.map((call, i) => resultMessage(call, results[i] as ToolResult));
    if (round < run.maxRounds) continue;
    chat.history = [...chat.history, ...asked];
    return yield endOf(run, chat, answered, { rounds: round, reason: 'maxRounds' });
  }
}

/** @param prepare checks what it can before the host is asked, when the run is first read */
export async function* runTools(prepare: () => SavingHost, options: RunToolsOptions): AsyncGenerator<ToolRunEvent, void, undefined> {
  const run = startRun(prepare(), options);
  const { signal } = run.options;
  const abort = () => run.stopping.abort(signal?.reason);
  if (signal?.aborted === true) throw signal.reason;
  signal?.addEventListener('abort', abort, { once: true });
  const chat = createChatSession(run.host, { cachePrompt: run.options.cachePrompt });
  try {
    yield* rounds(run, chat);
  } finally {
    signal?.removeEventListener('abort', abort);
    chat.dispose();
    run.stopping.abort(new InputError('The run of tools is over.'));
  }
}
