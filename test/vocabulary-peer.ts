/** node-llama-cpp as the oracle for vocabularies: CPU only, nothing downloaded or built. */
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

const entry = fileURLToPath(new URL('../peers/node_modules/node-llama-cpp/dist/index.js', import.meta.url));

export const hasVocabularyPeer = existsSync(entry);

interface Model {
  tokenize(text: string, parseSpecial: boolean): number[];
  isEogToken(id: number): boolean;
  readonly tokens: { readonly infill: { readonly [part in 'prefix' | 'suffix' | 'middle']: number | null } };
  dispose(): Promise<void>;
}

export interface VocabularyPeer {
  /** Loads a file's vocabulary, hands it over and lets go of it. */
  use<Result>(modelPath: string, work: (model: Model) => Result): Promise<Result>;
}

export async function openVocabularyPeer(): Promise<VocabularyPeer> {
  const { getLlama, LlamaLogLevel } = (await import(pathToFileURL(entry).href)) as {
    getLlama(options: Record<string, unknown>): Promise<{ loadModel(options: Record<string, unknown>): Promise<Model> }>;
    LlamaLogLevel: { disabled: unknown };
  };
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: LlamaLogLevel.disabled });
  return {
    async use(modelPath, work) {
      const model = await llama.loadModel({ modelPath, vocabOnly: true });
      try {
        return work(model);
      } finally {
        await model.dispose();
      }
    },
    };
}
