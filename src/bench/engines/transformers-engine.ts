/** transformers.js in Node: ONNX files by onnxruntime, the same token ids as every engine. */
import { join } from 'node:path';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ownMemory, warmed } from '../engine.ts';
import type { Engine, OpenEngine } from '../engine.ts';
import { notInstalled, packageFolder, versionOf } from './installed-package.ts';
import { onnxProblem, onnxTypeIn, TRANSFORMERS } from './onnx-weights.ts';

export const transformersEngine: Engine = {
  name: 'transformers.js',
  workloads: ['prefill', 'decode', 'ttft', 'load', 'busy'],
  batchSizes: [],
  problem({ modelName, packages }) {
    if (packageFolder(TRANSFORMERS, packages) === undefined) return notInstalled(TRANSFORMERS, packages);
    return onnxProblem({ modelName });
  },
  build: ({ packages }) => versionOf(packageFolder(TRANSFORMERS, packages) as string),
  async open(settings) {
    const folder = packageFolder(TRANSFORMERS, settings.packages) as string;
    const entry = createRequire(join(folder, 'package.json')).resolve(TRANSFORMERS);
    const library = (await import(pathToFileURL(entry).href)) as any;
    library.env.allowRemoteModels = false;
    const dtype = onnxTypeIn(settings.modelName as string);
    const device = settings.device === 'gpu' ? (settings.backend ?? 'webgpu') : 'cpu';
    const model = await library.AutoModelForCausalLM.from_pretrained(settings.modelName, { dtype, device, local_files_only: true });
    const flags = { dtype: dtype as string, kv: 'as the file has it' };
    return openModel({ library, model, facts: { version: versionOf(folder), device: `onnxruntime (${device})`, flags } });
  },
};

interface Opened {
  readonly library: any;
  readonly model: any;
  readonly facts: OpenEngine['facts'];
}

function openModel({ library, model, facts }: Opened): OpenEngine {
  /** Milliseconds from the request to each token. */
  const generate = async (ids: readonly number[], count: number): Promise<number[]> => {
    const shape = [1, ids.length];
    const input_ids = new library.Tensor('int64', BigInt64Array.from(ids, BigInt), shape);
    const attention_mask = new library.Tensor('int64', new BigInt64Array(ids.length).fill(1n), shape);
    const arrivals: number[] = [];
    const startMs = performance.now();
    let hasPrompt = false;
    // It is given the prompt first.
    const streamer = { put: () => void (hasPrompt ? arrivals.push(performance.now() - startMs) : (hasPrompt = true)), end() {} };
    await model.generate({ input_ids, attention_mask, max_new_tokens: count, min_new_tokens: count, do_sample: false, streamer });
    if (arrivals.length !== count) throw new Error(`${arrivals.length} tokens came instead of ${count}`);
    return arrivals;
  };
  return {
    facts,
    async prefill(ids) {
      await warmed(() => generate(ids.toReversed(), 1));
      return (1000 * ids.length) / (await generate(ids, 1))[0]!;
    },
    firstToken: async (ids) => (await generate(ids, 1))[0]!,
    async decode(ids, count) {
      await generate(ids.toReversed(), count + 1);
      const arrivals = await generate(ids, count + 1);
      return (1000 * count) / (arrivals.at(-1)! - arrivals[0]!);
    },
    memory: ownMemory,
    close: () => model.dispose(),
  };
}
