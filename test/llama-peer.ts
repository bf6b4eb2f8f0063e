/** node-llama-cpp, from the private peers' package, as an oracle for whole models. CPU only, nothing downloaded or built. */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const entry = fileURLToPath(new URL('../peers/node_modules/node-llama-cpp/dist/index.js', import.meta.url));

export const hasLlamaPeer = existsSync(entry);

interface Sequence {
  evaluate(ids: number[], options: { temperature: number; yieldEogToken: boolean }): AsyncGenerator<number>;
  dispose(): void;
}
interface Context {
  getSequence(): Sequence;
  dispose(): Promise<void>;
}
interface Model {
  createContext(options: Record<string, unknown>): Promise<Context>;
  tokenize(text: string, parseSpecial?: boolean): number[];
  detokenize(ids: readonly number[], special?: boolean): string;
  dispose(): Promise<void>;
  readonly tokens: { readonly bos: number | null; readonly eos: number | null };
  isEogToken(id: number): boolean;
}

export interface LlamaPeer {
  readonly model: Model;
  /** Greedy ids after `ids`, with keys and values kept in f32. Ends after an end token. */
  greedy(ids: readonly number[], count: number): Promise<number[]>;
  dispose(): Promise<void>;
}

/** Loads a GGUF file in llama.cpp. Rejects with what it says where it refuses the file. */
export async function loadInLlama(modelPath: string, contextSize: number): Promise<LlamaPeer> {
  const { getLlama, LlamaLogLevel } = (await import(pathToFileURL(entry).href)) as {
    getLlama(
      options: Record<string, unknown>,
    ): Promise<{ loadModel(options: Record<string, unknown>): Promise<Model>; dispose(): Promise<void> }>;
    LlamaLogLevel: { error: unknown };
  };
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.error });
  const model = await llama.loadModel({ modelPath, gpuLayers: 0, useMmap: true });
  // One thread: its threads spin at barriers, which takes minutes where other tests use the same cores.
  const context = await model.createContext({
    contextSize, threads: 1, flashAttention: false, experimentalKvCacheKeyType: 'F32', experimentalKvCacheValueType: 'F32',
  });
  return {
    model,
    async greedy(ids, count) {
      const sequence = context.getSequence();
      const found: number[] = [];
      for await (const id of sequence.evaluate([...ids], { temperature: 0, yieldEogToken: true })) {
        found.push(id);
        if (found.length === count) break;
      }
      sequence.dispose();
      return found;
    },
    async dispose() {
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}
