/** The answer to one task: where it has tools, of a model that may call them. */
import type { FinalPiece, Model, Piece } from '../engine/api.ts';
import type { ToolFunction } from '../engine/tool-api.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { FormatError } from '../tensor/errors.ts';
import { isJsonObject } from '../tensor/json.ts';
import { createPartCollector } from '../text/answers/collect-parts.ts';
import type { AnswerContent } from '../text/answers/collect-parts.ts';
import type { EvaluationTask } from './evaluation-file.ts';

export interface TaskAnswer extends AnswerContent, Pick<FinalPiece, 'usage' | 'timings' | 'incompleteCalls'> {
  /** As the model wrote it. */
  readonly text: string;
}

export interface TaskAnswerOptions {
  readonly maxTokens: number;
  readonly signal: AbortSignal | undefined;
}

/** Everything that a file's own defaults could change is set: greedy means the likeliest token. */
const GREEDY = { temperature: 0, repetitionPenalty: 1, presencePenalty: 0, frequencyPenalty: 0 } as const;

/** A function that answers nothing: what is checked is the call. @throws FormatError for a description in another form */
function functionOf(tool: JsonObject, id: string): ToolFunction {
  const { function: described } = tool;
  const { name, description, parameters } = isJsonObject(described) ? described : {};
  if (typeof name !== 'string' || (description !== undefined && typeof description !== 'string') || !isJsonObject(parameters ?? {}))
    throw new FormatError(`Task ${id}: expected tools as { "type": "function", "function": { "name", "description", "parameters" } }.`);
  return { name, description, parameters: parameters as JsonObject | undefined, run: () => null };
}

async function* piecesOf(model: Model, task: EvaluationTask, options: TaskAnswerOptions): AsyncGenerator<Piece, void, undefined> {
  const { id, messages, tools, thinking } = task;
  const asked = { ...GREEDY, ...options, messages, reasoning: thinking };
  if (tools === undefined) return yield* model.generate(asked);
  const run = model.runTools({ ...asked, tools: tools.map((tool) => functionOf(tool, id)), maxRounds: 1 });
  for await (const event of run) if (event.type === 'piece') yield event.piece;
}

/** The first answer, greedy; the calls in it are run, and get no result that says anything. */
export async function answerTask(model: Model, task: EvaluationTask, options: TaskAnswerOptions): Promise<TaskAnswer> {
  const collector = createPartCollector();
  let text = '';
  let final: FinalPiece | undefined;
  for await (const piece of piecesOf(model, task, options)) {
    text += piece.text;
    collector.add(piece.parts);
    if (piece.finishReason !== undefined) final = piece;
  }
  if (final === undefined) throw new Error(`Task ${task.id}: the answer ended without a last piece`);
  const { usage, timings, incompleteCalls } = final;
  return { ...collector.content(), text, usage, timings, incompleteCalls };
}
