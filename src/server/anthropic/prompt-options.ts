/** A prompt of Anthropic's form as the engine has it. */
import type { ChatMessage, ToolChoice } from '../../engine/api.ts';
import { engineContent, imageUrlPart } from '../images/request-content.ts';
import type { ContentPart } from '../images/request-content.ts';
import type { AnswerRequest } from '../run-generation.ts';
import { engineCallId } from '../call-ids.ts';
import { invalid } from '../failure.ts';
import { textOfContent } from '../text-of-content.ts';
import type { Block, PromptParameters, RequestMessage } from './message-parameters.ts';

type BlockOf<Type extends Block['type']> = Extract<Block, { readonly type: Type }>;

function blocksOf<Type extends Block['type']>(blocks: readonly Block[], type: Type): BlockOf<Type>[] {
  return blocks.filter((block): block is BlockOf<Type> => block.type === type);
}

/** What a user says and shows. */
function partsOf(block: Block): readonly ContentPart[] {
  if (block.type === 'text') return [{ text: block.text }];
  if (block.type !== 'image') return [];
  const { source } = block;
  return [imageUrlPart(source.type === 'url' ? source.url : `data:${source.media_type};base64,${source.data}`)];
}

/** What a call gave, as blocks. */
function resultBlocks({ content }: BlockOf<'tool_result'>): readonly Block[] {
  return typeof content === 'string' ? [{ type: 'text', text: content }] : (content ?? []);
}

/**
 * Results are messages of their own for chat templates, and stand before what the user says beside them. Their images stand there, before
 * it: templates read images of users alone.
 */
function userMessages(blocks: readonly Block[]): ChatMessage[] {
  const calls = blocksOf(blocks, 'tool_result');
  const results = calls.map((result) => ({
    role: 'tool', tool_call_id: engineCallId(result.tool_use_id),
    content: `${result.is_error === true ? 'Error: ' : ''}${textOfContent(blocksOf(resultBlocks(result), 'text'))}`,
  }));
  const shown = calls.flatMap((result) => blocksOf(resultBlocks(result), 'image'));
  const content = engineContent([...shown, ...blocks].flatMap(partsOf));
  return content === '' && results.length > 0 ? results : [...results, { role: 'user', content }];
}

function assistantMessage(blocks: readonly Block[]): ChatMessage {
  const thought = blocksOf(blocks, 'thinking').map(({ thinking }) => thinking).join('');
  const calls = blocksOf(blocks, 'tool_use').map(({ id, name, input }) => ({
    id: engineCallId(id), type: 'function', function: { name, arguments: input },
  }));
  return {
    role: 'assistant',
    content: textOfContent(blocksOf(blocks, 'text')),
    ...(thought === '' ? {} : { reasoning_content: thought }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function engineMessages({ role, content }: RequestMessage): ChatMessage[] {
  if (typeof content === 'string') return [{ role, content }];
  return role === 'user' ? userMessages(content) : [assistantMessage(content)];
}

function choiceOf(choice: PromptParameters['tool_choice']): ToolChoice | undefined {
  if (choice === undefined) return undefined;
  if (choice.type === 'tool') return { name: choice.name as string };
  return choice.type === 'any' ? 'required' : choice.type;
}

/** Adaptive is what a model does by itself. */
function reasoningOf(thinking: PromptParameters['thinking']): AnswerRequest['reasoning'] {
  if (thinking?.type === 'disabled') return false;
  return thinking?.type === 'enabled' ? { budgetTokens: thinking.budget_tokens } : undefined;
}

/** @throws Failure (400) for a choice among no tools */
export function promptOptions(parameters: PromptParameters): Pick<AnswerRequest, 'messages' | 'tools' | 'toolChoice' | 'reasoning'> {
  const { messages, system, tools = [], tool_choice: choice, thinking } = parameters;
  if (tools.length === 0 && (choice?.type === 'any' || choice?.type === 'tool'))
    throw invalid('tool_choice asks for a call, and there are no tools.', { param: 'tool_choice' });
  const header = textOfContent(system);
  return {
    messages: [...(header === '' ? [] : [{ role: 'system', content: header }]), ...messages.flatMap(engineMessages)],
    ...(tools.length === 0 ? {} : {
      tools: tools.map(({ name, description, input_schema: schema }) => ({
        type: 'function', function: { name, ...(description ? { description } : {}), parameters: schema },
      })),
      toolChoice: choiceOf(choice),
    }),
    reasoning: reasoningOf(thinking),
  };
}
