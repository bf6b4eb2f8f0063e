/** Events of a streamed chat completion as parts of the AI SDK. */
import type { FinishReason, ResponseMetadata, StreamPart, TokenUsage } from './api.ts';

export interface UsageJson {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly prompt_tokens_details?: { readonly cached_tokens?: number };
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number };
}

interface Delta {
  readonly content?: string | null;
  readonly reasoning_content?: string;
  readonly tool_calls?: readonly {
    readonly index: number; readonly id?: string; readonly function?: { readonly name?: string; readonly arguments?: string };
  }[];
}

/** An event; `error` where the answer failed in its middle. */
export interface ChunkJson {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly choices: readonly { readonly delta: Delta; readonly finish_reason: string | null }[];
  readonly usage?: UsageJson | null;
  readonly error?: { readonly message: string };
}

export function metadataOf({ id, created, model }: Pick<ChunkJson, 'id' | 'created' | 'model'>): ResponseMetadata {
  return { id, timestamp: new Date(created * 1000), modelId: model };
}

export function usageOf(usage: UsageJson | null | undefined): TokenUsage {
  const { prompt_tokens: prompt, completion_tokens: completion } = usage ?? {};
  const cached = usage?.prompt_tokens_details?.cached_tokens ?? 0;
  const thought = usage?.completion_tokens_details?.reasoning_tokens ?? 0;
  return {
    inputTokens: { total: prompt, noCache: prompt === undefined ? undefined : prompt - cached, cacheRead: cached, cacheWrite: undefined },
    outputTokens: { total: completion, text: completion === undefined ? undefined : completion - thought, reasoning: thought },
  };
}

export function finishOf(raw: string | null | undefined): FinishReason {
  const told = raw ?? undefined;
  if (raw === 'tool_calls') return { unified: 'tool-calls', raw: told };
  return { unified: raw === 'stop' || raw === 'length' ? raw : 'other', raw: told };
}

interface OpenCall {
  readonly id: string;
  readonly name: string;
  text: string;
}

/** Text and thoughts are blocks that begin and end; calls stand beside them. */
function createBlocks() {
  let open: { readonly kind: 'text' | 'reasoning'; readonly id: string } | undefined;
  let count = 0;
  const close = (): StreamPart[] => {
    if (open === undefined) return [];
    const { kind, id } = open;
    open = undefined;
    return [{ type: `${kind}-end`, id }];
  };
  const add = (kind: 'text' | 'reasoning', delta: string): StreamPart[] => {
    const before = open?.kind === kind ? [] : close();
    const isNew = open === undefined;
    const block = (open ??= { kind, id: String(count++) });
    const begin: StreamPart[] = isNew ? [{ type: `${kind}-start`, id: block.id }] : [];
    return [...before, ...begin, { type: `${kind}-delta`, id: block.id, delta }];
  };
  return { add, close };
}

/** What each event adds; the last of an answer is told by `end`. */
export function createPartReader() {
  const blocks = createBlocks();
  const calls: OpenCall[] = [];
  let usage: UsageJson | null | undefined;
  let finish: string | null | undefined;
  const addCall = ({ index, id, function: called }: NonNullable<Delta['tool_calls']>[number]): StreamPart[] => {
    const parts: StreamPart[] = [];
    if (id !== undefined) {
      calls[index] = { id, name: called?.name ?? '', text: '' };
      parts.push(...blocks.close(), { type: 'tool-input-start', id, toolName: called?.name ?? '' });
    }
    const call = calls[index];
    if (call === undefined || !called?.arguments) return parts;
    call.text += called.arguments;
    return [...parts, { type: 'tool-input-delta', id: call.id, delta: called.arguments }];
  };
  return {
    add({ choices, usage: own }: ChunkJson): StreamPart[] {
      usage = own ?? usage;
      const [choice] = choices;
      finish = choice?.finish_reason ?? finish;
      const { reasoning_content: thought, content, tool_calls: called = [] } = choice?.delta ?? {};
      return [
        ...(thought ? blocks.add('reasoning', thought) : []), ...(content ? blocks.add('text', content) : []), ...called.flatMap(addCall),
      ];
    },
    /** @param error what ended it in its middle */
    end(error?: unknown): StreamPart[] {
      const whole = error === undefined && finish === 'tool_calls' ? calls : [];
      const ended = whole.flatMap(({ id, name, text }): StreamPart[] => [
        { type: 'tool-input-end', id }, { type: 'tool-call', toolCallId: id, toolName: name, input: text === '' ? '{}' : text },
      ]);
      const failed: StreamPart[] = error === undefined ? [] : [{ type: 'error', error }];
      const finishReason: FinishReason = error === undefined ? finishOf(finish) : { unified: 'error', raw: undefined };
      return [...blocks.close(), ...ended, ...failed, { type: 'finish', usage: usageOf(usage), finishReason }];
    },
  };
}
