/** A model that says what a test has for each question, a few letters at a time, with thoughts and calls. */
import type { Model, Piece } from '../../src/engine/api.ts';
import { loadFakeModel } from '../fake-model.ts';

export interface ScriptedAnswer {
  readonly text: string;
  readonly reasoning?: string;
  readonly call?: { readonly name: string; readonly arguments: object };
  /** Between two pieces. Default 0: as fast as they are taken. */
  readonly pieceMs?: number;
}

/** A message as the engine has it, as far as it is looked at here. */
export interface AskedMessage {
  readonly role: string;
  readonly content: unknown;
}

const LETTERS = 12;

function pieceOf(parts: readonly object[], rest: object = {}): Piece {
  return { text: '', tokens: [1], index: 0, parts, ...rest } as unknown as Piece;
}

function piecesOf({ text, reasoning = '', call }: ScriptedAnswer, promptTokens: number): Piece[] {
  const cut = (whole: string) => whole.match(new RegExp(`[^]{1,${LETTERS}}`, 'g')) ?? [];
  const thoughts = cut(reasoning).map((part) => pieceOf([{ kind: 'reasoning', text: part, tokens: [1] }]));
  const texts = cut(text).map((part) => pieceOf([{ kind: 'text', text: part, tokens: [1] }]));
  const id = 'a1';
  const calls =
    call === undefined
      ? []
      : [
          pieceOf([{ kind: 'toolCall', phase: 'start', index: 0, id, name: call.name }]),
          pieceOf([{ kind: 'toolCall', phase: 'arguments', index: 0, id, text: JSON.stringify(call.arguments) }]),
          pieceOf([{ kind: 'toolCall', phase: 'end', index: 0, id, name: call.name, arguments: call.arguments }]),
        ];
  const made = [...thoughts, ...texts, ...calls];
  const usage = { promptTokens, cachedTokens: 0, completionTokens: made.length };
  return [...made, pieceOf([], { finishReason: call === undefined ? 'stop' : 'tool_calls', usage, seed: 1 })];
}

export interface ScriptedModel {
  readonly model: Model;
  /** What the model was given, call by call: all options of `generate`. */
  readonly asked: (Record<string, unknown> & { readonly messages: readonly AskedMessage[] })[];
}

/** @param answer what is said to the conversation, by the number of the call */
export async function scriptedModel(answer: (messages: readonly AskedMessage[], call: number) => ScriptedAnswer): Promise<ScriptedModel> {
  const { model: fake } = await loadFakeModel();
  const asked: ScriptedModel['asked'] = [];
  const generate = async function* (options: ScriptedModel['asked'][number] & { readonly signal?: AbortSignal }) {
    asked.push(options);
    const said = answer(options.messages, asked.length);
    for (const piece of piecesOf(said, 10 * options.messages.length)) {
      if (said.pieceMs !== undefined) await new Promise((resolve) => setTimeout(resolve, said.pieceMs));
      options.signal?.throwIfAborted();
      yield piece;
    }
  };
  return { model: { ...fake, generate } as unknown as Model, asked };
}
