/** The goldens of decoders: tiny checkpoints and what transformers computes of them (README.md of ../shared/golden). */
import { readFileSync } from 'node:fs';
import { fixturesPath, hasShared, sharedPath } from './fixture-tensors.ts';

/** Those that are copied into test/fixtures/golden, and those of ../shared alone: a line a folder. */
export const GOLDENS = [
  'llama',
  'llama_sharded',
  'llama_bias',
  'mistral',
  'ministral3',
  'qwen2',
  'qwen2_window',
  'qwen3',
  'qwen3_5',
  'qwen3_5_mtp',
  'qwen3_5_moe',
  'smollm3',
  'phi3',
  'phi3_longrope',
  'gemma3',
  'gemma4',
  'olmo3',
  'qwen3_moe',
  'lfm2',
  'lfm2_plain',
  'gemma4_moe',
  'gpt_oss',
  'lfm2_moe',
] as const;
export type GoldenName = (typeof GOLDENS)[number];

/** Goldens whose ops an executor lacks. */
const LACKING: Readonly<Record<'reference' | 'cpu' | 'gpu', readonly GoldenName[]>> = {
  reference: [],
  cpu: [],
  gpu: [],
};

export function goldensOn(device: keyof typeof LACKING): readonly GoldenName[] {
  return GOLDENS.filter((name) => !LACKING[device].includes(name));
}

const COPIED: readonly string[] = ['llama', 'llama_sharded', 'llama_bias', 'qwen3', 'lfm2_plain'];

export function goldenPath(name: GoldenName): string {
  return COPIED.includes(name) ? `${fixturesPath}golden/${name}` : `${sharedPath}/golden/${name}`;
}

export function hasGolden(name: GoldenName): boolean {
  return COPIED.includes(name) || hasShared(`golden/${name}/golden.json`);
}

export interface Golden {
  readonly prompts: Readonly<Record<string, number[]>>;
  readonly greedy: Readonly<Record<string, number[]>>;
}

export function readGolden(name: GoldenName): Golden {
  return JSON.parse(readFileSync(`${goldenPath(name)}/golden.json`, 'utf8')) as Golden;
}

/**
 * Positions that the model is loaded with for a prompt, where they are not all that it was trained for. LongRoPE has factors for each side
 * of its original length; transformers takes those of the prompt's length, an engine those of its context.
 */
const CONTEXTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  phi3_longrope: { one: 64, short: 64, mid: 64 },
};

export function goldenContext(name: GoldenName, prompt: string): number | undefined {
  return CONTEXTS[name]?.[prompt];
}

/** The prompts of a golden by {@link goldenContext}. */
export function goldenRuns(name: GoldenName): { readonly contextLength: number | undefined; readonly prompts: [string, number[]][] }[] {
  const prompts = Object.entries(readGolden(name).prompts);
  return [...new Set(prompts.map(([prompt]) => goldenContext(name, prompt)))].map((contextLength) => ({
    contextLength,
    prompts: prompts.filter(([prompt]) => goldenContext(name, prompt) === contextLength),
  }));
}
