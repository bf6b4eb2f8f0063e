/**
 * Whatever listens at a URL and speaks OpenAI's form: LM Studio, Ollama, llama-server, vLLM, mlx-lm's server, `ingot serve`. Times are the
 * client's own, of bytes as they came. Servers that take token ids (`/completions`) are sent the same ids as every engine; the others are
 * sent words, and what they count as tokens is what counts.
 */
import type { Engine, EngineSettings } from '../engine.ts';
import { createOpenAiClient } from './openai-client.ts';
import { openRemote } from './remote-engine.ts';

export const openAiEngine: Engine = {
  name: 'openai',
  workloads: ['prefill', 'decode', 'ttft', 'turns', 'busy', 'concurrency', 'structured'],
  batchSizes: [],
  problem({ url, modelName }) {
    if (url === undefined) return 'give its "url", up to /v1, in a plan of "ingot bench run"';
    return modelName === undefined ? 'say what it calls the model: "as" of the model, by the engine\'s title' : undefined;
  },
  build: () => undefined,
  open: async (settings) => {
    const client = await createOpenAiClient({
      url: settings.url as string, model: settings.modelName as string, key: keyOf(settings),
    });
    return openRemote(client);
  },
};

function keyOf({ keyVariable }: EngineSettings): string | undefined {
  if (keyVariable === undefined) return undefined;
  const key = process.env[keyVariable];
  if (key === undefined || key === '') throw new Error(`the variable ${keyVariable} of its key is not set`);
  return key;
}
