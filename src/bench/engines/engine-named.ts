import type { Engine } from '../engine.ts';
import { ingotEngine } from './ingot-engine.ts';
import { llamaBatchedBenchEngine } from './llama-batched-bench-engine.ts';
import { llamaBenchEngine } from './llama-bench-engine.ts';
import { llamaEngine } from './llama-engine.ts';
import { ingotServerEngine, llamaServerEngine } from './server-engines.ts';

const ENGINES: readonly Engine[] = [
  ingotEngine, llamaEngine, llamaBenchEngine, llamaBatchedBenchEngine, ingotServerEngine, llamaServerEngine,
];

export const ENGINE_NAMES: readonly string[] = ENGINES.map(({ name }) => name);

/** Those that ingot can be compared with. */
export const RIVALS: readonly string[] = ENGINE_NAMES.filter((name) => name !== 'ingot');

export function engineNamed(name: string): Engine {
  const engine = ENGINES.find((candidate) => candidate.name === name);
  if (engine === undefined) throw new Error(`no engine named ${name}; there are ${ENGINE_NAMES.join(', ')}`);
  return engine;
}
