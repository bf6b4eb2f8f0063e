/** One engine in a process of its own. Arguments: name, settings as JSON. */
import type { EngineSettings } from './engine.ts';
import { engineNamed } from './engines/engine-named.ts';
import { serveParent } from './serve-parent.ts';

const [name, settings] = process.argv.slice(2) as [string, string];

await serveParent(async () => {
  const { facts, ...methods } = await engineNamed(name).open(JSON.parse(settings) as EngineSettings);
  return { ready: facts, methods };
});
