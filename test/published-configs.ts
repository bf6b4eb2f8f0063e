/** The keys and values of config.json files as their authors publish them, for rules that must not stumble over any of them. */
import type { JsonObject } from '../src/tensor/checkpoint.ts';
import { GEMMA_CONFIGS } from './published-configs/gemma.ts';
import { LFM2_CONFIGS } from './published-configs/lfm2.ts';
import { LLAMA_CONFIGS } from './published-configs/llama.ts';
import { OTHER_CONFIGS } from './published-configs/other-families.ts';
import { QWEN_CONFIGS } from './published-configs/qwen.ts';

export const PUBLISHED_CONFIGS: Readonly<Record<string, JsonObject>> = {
  ...LLAMA_CONFIGS, ...QWEN_CONFIGS, ...GEMMA_CONFIGS, ...LFM2_CONFIGS, ...OTHER_CONFIGS,
};
