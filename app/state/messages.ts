/** What a model reads of a conversation. */
import type { ChatMessage } from '../transport/transport.ts';
import { contentOf } from './attachments.ts';
import type { ChatSettings, Conversation, Turn } from './conversation.ts';

/** @throws Error in words for a person, for what is no list of functions */
export function toolsOf({ tools }: Pick<ChatSettings, 'tools'>): readonly object[] {
  if (tools.trim() === '') return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(tools);
  } catch (error) {
    throw new Error(`The tools in the settings are no JSON: ${(error as Error).message}`, { cause: error });
  }
  const isTool = (one: unknown) => typeof one === 'object' && one !== null && 'function' in one;
  if (!Array.isArray(parsed) || !parsed.every(isTool))
    throw new Error('The tools in the settings must be a list of objects with "type" and "function".');
  return parsed as object[];
}

/** The turns up to one, from the first on. */
function pathTo(conversation: Conversation, last: Turn): Turn[] {
  const path: Turn[] = [];
  const count = Object.keys(conversation.turns).length;
  let turn: Turn | undefined = last;
  while (turn !== undefined && path.length < count) {
    path.push(turn);
    turn = turn.parent === undefined ? undefined : conversation.turns[turn.parent];
  }
  return path.toReversed();
}

function saysNothing({ role, text, toolCalls = [] }: Turn): boolean {
  return role === 'assistant' && text === '' && toolCalls.length === 0;
}

/** A question whose answer failed, or said nothing, is none for the model. */
function withoutFailed(path: readonly Turn[]): Turn[] {
  const kept: Turn[] = [];
  for (const turn of path) {
    if (!saysNothing(turn)) kept.push(turn);
    else if (kept.at(-1)?.role === 'user') kept.pop();
  }
  return kept;
}

/** @param answer the turn that the answer goes into: the model goes on with what it has */
export async function messagesOf(conversation: Conversation, answer: Turn): Promise<ChatMessage[]> {
  const path = pathTo(conversation, answer);
  const asked = [...withoutFailed(path.slice(0, -2)), ...path.slice(-2).filter((turn) => turn !== answer || !saysNothing(turn))];
  const lastQuestion = asked.findLastIndex(({ role }) => role === 'user');
  const messages = await Promise.all(
    asked.map(async (turn, index): Promise<ChatMessage> => ({
      role: turn.role,
      content: await contentOf(turn.text, turn.attachments),
      // Of earlier thoughts nothing is read; between calls of tools they go on.
      reasoning: index > lastQuestion ? turn.reasoning : undefined,
      toolCalls: turn.toolCalls,
      toolCallId: turn.toolCallId,
    })),
  );
  const system = conversation.settings.system.trim();
  return system === '' ? messages : [{ role: 'system', content: system }, ...messages];
}
