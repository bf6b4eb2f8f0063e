import type { Engine } from './engine.ts';
import { ingotEngine } from './ingot-engine.ts';
import { llamaBatchedBenchEngine } from './llama-batched-bench-engine.ts';
import { llamaBenchEngine } from './llama-bench-engine.ts';
import { llamaEngine } from './llama-engine.ts';
import { ingotServerEngine, llamaServerEngine } from './server-engines.ts';

const ENGINES: readonly Engine[] = [
  ingotEngine, llamaEngine, llamaBenchEngine, llamaBatchedBenchEngine, ingotServerEngine, llamaServerEngine,
];

/** Those that ingot can be compared with. */
export const RIVALS: readonly string[] = ENGINES.filter((engine) => engine !== ingotEngine).map(({ name }) => name);

export function engineNamed(name: string): Engine {
  const engine = ENGINES.find((candidate) => candidate.name === name);
  if (engine === undefined) throw new Error(`no engine named ${name}; there are ${ENGINES.map((candidate) => candidate.name).join(', ')}`);
  return engine;
}
