/** Models of embeddings made of a golden's folder and the files that say how its states are pooled. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Model } from '../src/engine/api.ts';
import { createModel } from '../src/engine/model.ts';
import { memoryFolder } from '../src/files/memory-source.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import { openExecutor } from '../src/node/load-model.ts';
import type { DeviceChoice } from '../src/node/device-choice.ts';
import type { Checkpoint } from '../src/tensor/checkpoint.ts';

/** Contents of files by name, objects as JSON. */
export type ExtraFiles = Readonly<Record<string, object | string>>;

/** All files below a folder, by names with `/`, with others beside them or in their place. */
export function filesBelow(folder: string, extra: ExtraFiles = {}): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files.set(path.slice(folder.length + 1), new Uint8Array(readFileSync(path)));
  }
  for (const [name, content] of Object.entries(extra))
    files.set(name, new TextEncoder().encode(typeof content === 'string' ? content : JSON.stringify(content)));
  return files;
}

/** sentence-transformers' files for a pooling: `cls_token`, `mean_tokens` or `lasttoken`. */
export function poolingFiles(mode: string, more: ExtraFiles = {}): ExtraFiles {
  const module = (type: string, path: string) => ({ idx: 0, name: path, path, type: `sentence_transformers.models.${type}` });
  return {
    'modules.json': [module('Transformer', ''), module('Pooling', '1_Pooling'), module('Normalize', '2_Normalize')],
    '1_Pooling/config.json': { pooling_mode_cls_token: false, [`pooling_mode_${mode}`]: true },
    ...more,
  };
}

export function openFiles(files: ReadonlyMap<string, Uint8Array>): Promise<Checkpoint> {
  return openCheckpoint({ folder: memoryFolder(files, 'memory') });
}

export interface EmbeddingModelOptions {
  readonly device: DeviceChoice;
  readonly contextLength?: number;
}

export async function embeddingModel(
  files: ReadonlyMap<string, Uint8Array>,
  { device, contextLength }: EmbeddingModelOptions,
): Promise<Model> {
  const executor = await openExecutor({ device, threads: device === 'cpu' ? 2 : undefined });
  return createModel({ checkpoint: await openFiles(files), executor, contextLength });
}
