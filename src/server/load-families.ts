/** Gauges of how busy models are, and counters of the steps they made: read from the models when they are asked for. */
import type { Model } from '../engine/api.ts';
import type { ServedModel } from './api.ts';
import type { Family } from './metrics-text.ts';
import { kindOf } from './model-pool/model-entry.ts';

type Models = ReadonlyMap<string, Model>;

const VALUES = [
  ['vllm:num_requests_running', 'gauge', 'Answers that share the steps of the model.', ({ info }) => info.load.running],
  ['vllm:num_requests_waiting', 'gauge', 'Answers that wait for their first step.', ({ info }) => info.load.waiting],
  ['vllm:kv_cache_usage_perc', 'gauge', 'Share of the pages of keys and values that are held; 1 is all.', heldShare],
  ['vllm:gpu_cache_usage_perc', 'gauge', 'The older name of vllm:kv_cache_usage_perc.', heldShare],
  ['ingot_steps_total', 'counter', 'Steps of the model.', ({ info }) => info.load.steps],
  ['ingot_step_rows_total', 'counter', 'Rows of these steps: tokens of prompts, and one of each answer.', ({ info }) => info.load.rows],
] as const satisfies readonly (readonly [name: string, type: Family['type'], help: string, value: (model: Model) => number])[];

function heldShare({ info: { load: { pages } } }: Model): number {
  return pages.held / pages.most;
}

function memoryFamily(models: ReadonlyMap<string, ServedModel>): Family {
  const values = [...models].flatMap(([name, { info: { memory } }]) =>
    Object.entries({ weights: memory.weightBytes, cache: memory.kvBytes, work: memory.workBytes }).map(
      ([kind, bytes]) => [{ model_name: name, kind }, bytes] as const,
    ));
  return { name: 'ingot_memory_bytes', type: 'gauge', help: 'Memory of the device, by kind.', values };
}

function pageFamily(models: Models): Family {
  const values = [...models].flatMap(([name, { info: { load: { pages } } }]) =>
    Object.entries({ held: pages.held, cached: pages.cached, most: pages.most }).map(
      ([state, count]) => [{ model_name: name, state }, count] as const,
    ));
  const help = 'Pages of keys and values: that answers hold, that stay for prompts which begin as others did, and that there may be.';
  return { name: 'ingot_cache_pages', type: 'gauge', help, values };
}

function cacheFamily(models: Models): Family {
  const values = [...models].map(([name, { info: { load, kvType } }]) => {
    const labels = {
      model_name: name, block_size: String(load.pageTokens), num_gpu_blocks: String(load.pages.most), cache_dtype: kvType,
      enable_prefix_caching: 'True',
    };
    return [labels, 1] as const;
  });
  return { name: 'vllm:cache_config_info', type: 'gauge', help: 'How keys and values are kept.', values };
}

/** @param loaded models that are loaded, by name; those that hear have memory alone */
export function loadFamilies(loaded: ReadonlyMap<string, ServedModel>): Family[] {
  const models = new Map([...loaded].filter((one): one is [string, Model] => kindOf(one[1]) === 'text'));
  const plain = VALUES.map(([name, type, help, value]): Family => ({
    name, type, help, values: [...models].map(([of, model]) => [{ model_name: of }, value(model)]),
  }));
  return [...plain, cacheFamily(models), pageFamily(models), memoryFamily(loaded)];
}
