import type { Engine } from '../engine.ts';
import { browserEngines } from './browser-engines.ts';
import { commandEngines } from './command-engines.ts';
import { ingotEngine } from './ingot-engine.ts';
import { llamaBatchedBenchEngine } from './llama-batched-bench-engine.ts';
import { llamaBenchEngine } from './llama-bench-engine.ts';
import { llamaEngine } from './llama-engine.ts';
import { openAiEngine } from './openai-engine.ts';
import { ingotServerEngine, llamaServerEngine } from './server-engines.ts';
import { transformersEngine } from './transformers-engine.ts';

const ENGINES: readonly Engine[] = [
  ingotEngine, llamaEngine, llamaBenchEngine, llamaBatchedBenchEngine, ingotServerEngine, llamaServerEngine, openAiEngine,
  ...commandEngines, transformersEngine, ...browserEngines,
];

export const ENGINE_NAMES: readonly string[] = ENGINES.map(({ name }) => name);

/** Those that ingot can be compared with on the same file, without a plan that says what they call it. */
export const RIVALS: readonly string[] = ENGINES.slice(1, 6).map(({ name }) => name);

export function engineNamed(name: string): Engine {
  const engine = ENGINES.find((candidate) => candidate.name === name);
  if (engine === undefined) throw new Error(`no engine named ${name}; there are ${ENGINE_NAMES.join(', ')}`);
  return engine;
}
