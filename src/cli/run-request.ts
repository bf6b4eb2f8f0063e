/** What `ingot run` asks of a model, by its flags. */
import type { GenerateOptions, Generation, Model, ToolChoice } from '../engine/api.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { UsageError } from './exit-codes.ts';
import { decodingOptions, reasoningOption } from './generation-options.ts';
import type { GenerationFlags } from './generation-options.ts';
import type { DeviceOptions } from './model-options.ts';

export const TOOL_ORDERS = ['given', 'canonical'] as const;

export interface RunFlags extends GenerationFlags, DeviceOptions {
  readonly model?: string;
  readonly raw?: boolean;
  readonly ids?: readonly number[];
  readonly ignoreEos?: boolean;
  readonly image?: readonly string[];
  readonly prefill?: string;
  readonly suffix?: string;
  readonly tools?: JsonObject;
  readonly toolChoice?: string;
  readonly toolOrder?: (typeof TOOL_ORDERS)[number];
  readonly logprobs?: number;
  readonly answers?: number;
  readonly echo?: boolean;
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly resume?: string | true;
}

/** Begins the answer. */
export type RunRequest = (more: Pick<GenerateOptions, 'signal' | 'onProgress'>) => Generation;

/** @throws UsageError for flags that contradict each other */
export function checkRunFlags(flags: RunFlags): void {
  const { raw, ids, prefill, suffix, json } = flags;
  if (prefill === '') throw new UsageError('--prefill needs at least one character.');
  if (suffix !== undefined && ids !== undefined) throw new UsageError('--suffix goes with a text before it, not with --ids.');
  const plain = ids !== undefined ? '--ids' : raw === true ? '--raw' : suffix !== undefined ? '--suffix' : undefined;
  const ofTemplate = {
    '--system': flags.system, '--image': flags.image, '--prefill': prefill, '--reasoning-budget': flags.reasoningBudget,
    '--tools': flags.tools,
    '--tool-choice': flags.toolChoice, '--template-variables': flags.templateVariables,
  };
  for (const [flag, value] of Object.entries(ofTemplate))
    if (plain !== undefined && value !== undefined)
      throw new UsageError(`${flag} is part of a chat template, which ${plain} leaves out. Drop one of the two.`);
  if (flags.echo === true && (plain === undefined || suffix !== undefined))
    throw new UsageError('--echo prints the prompt as it is: give it with --raw or --ids.');
  const ofJson = { '--logprobs': flags.logprobs, '--answers': flags.answers };
  for (const [flag, value] of Object.entries(ofJson))
    if (value !== undefined && json !== true) throw new UsageError(`${flag} is told in JSON: give it with --json.`);
  const ofGenerate = { '--answers': flags.answers, '--dialect': flags.dialect, '--raw': raw };
  for (const [flag, value] of Object.entries(ofGenerate))
    if (suffix !== undefined && value !== undefined) throw new UsageError(`${flag} does not go with --suffix. Drop one of the two.`);
  for (const [flag, value] of Object.entries({ '--tool-choice': flags.toolChoice, '--tool-order': flags.toolOrder }))
    if (value !== undefined && flags.tools === undefined) throw new UsageError(`${flag} is of functions: give them with --tools.`);
}

function toolChoiceOf(choice: string | undefined): ToolChoice | undefined {
  return choice === undefined || choice === 'auto' || choice === 'none' || choice === 'required' ? choice : { name: choice };
}

/** @throws UsageError for a model that reads no text */
export function runRequest(text: string, flags: RunFlags, model: Model, images: readonly JsonObject[] = []): RunRequest {
  const { ids, raw, suffix, ignoreEos, logprobs, answers: n, echo } = flags;
  const decoding = { ...decodingOptions(flags), ignoreEos, logprobs };
  const whole = { ...decoding, dialect: flags.dialect, n };
  if (ids !== undefined) return (more) => model.generate({ ...whole, echo, ids, ...more });
  if (!model.info.hasTokenizer)
    throw new UsageError(`${model.info.name} has no tokenizer, so it cannot read a prompt. Give token ids with --ids.`);
  if (suffix !== undefined) return (more) => model.infill({ ...decoding, prefix: text, suffix, ...more });
  if (raw === true) return (more) => model.generate({ ...whole, echo, prompt: text, ...more });
  return (more) => model.generate({ ...whole, ...conversationOf(text, flags, images), ...more });
}

function conversationOf(text: string, flags: RunFlags, images: readonly JsonObject[]) {
  const { system, prefill, tools, toolChoice, toolOrder, templateVariables } = flags;
  const before = system === undefined ? [] : [{ role: 'system', content: system }];
  const begun = prefill === undefined ? [] : [{ role: 'assistant', content: prefill }];
  return {
    messages: [...before, { role: 'user', content: images.length === 0 ? text : [...images, { type: 'text', text }] }, ...begun],
    reasoning: reasoningOption(flags), templateVariables, toolOrder, toolChoice: toolChoiceOf(toolChoice),
    // A list: who takes it says what it must be.
    tools: tools as unknown as GenerateOptions['tools'],
  };
}
