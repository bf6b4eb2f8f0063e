/** ONNX weights in a folder as the hub keeps them, which transformers.js reads in Node and in a page. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Entry } from '../engine.ts';

export const TRANSFORMERS = '@huggingface/transformers';

/** The files that the library takes for a decoder's weights, by their type. */
const DTYPES = {
  model_q4f16: 'q4f16', model_q4: 'q4', model_quantized: 'q8', model_int8: 'int8', model_fp16: 'fp16', model: 'fp32',
} as const;
export type OnnxType = (typeof DTYPES)[keyof typeof DTYPES];

/** The smallest type that the folder has. */
export function onnxTypeIn(folder: string): OnnxType | undefined {
  const files = existsSync(join(folder, 'onnx')) ? readdirSync(join(folder, 'onnx')) : [];
  return Object.entries(DTYPES).find(([name]) => files.includes(`${name}.onnx`))?.[1];
}

export function onnxProblem({ modelName }: Pick<Entry, 'modelName'>): string | undefined {
  if (modelName === undefined) return 'say which folder has the ONNX files: "as" of the model, by the engine\'s title';
  return onnxTypeIn(modelName) === undefined
    ? `there are no ONNX files in ${modelName}: expected ${Object.keys(DTYPES).map((name) => `onnx/${name}.onnx`).join(' or ')}`
    : undefined;
}
