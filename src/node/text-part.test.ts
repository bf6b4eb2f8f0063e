import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import type { FixtureTensor } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden, readGolden } from '../../test/goldens.ts';
import { safetensorsBytes } from '../../test/model-bytes.ts';
import { relativeError } from '../../test/relative-error.ts';
import { inspectReport } from '../cli/inspect-report.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import { convertFile } from './convert.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-text-part-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function writeFolder(config: JsonObject, tensors: ReadonlyMap<string, FixtureTensor>): void {
  let end = 0;
  const entries = [...tensors].map(([name, { dtype, shape, bytes }]) => {
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [end - bytes.length, end] }];
  });
  const data = Buffer.concat([...tensors.values()].map(({ bytes }) => bytes));
  writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(Object.fromEntries(entries), data));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
}

/** As Gemma 3 of 4B and more is published, in its older and its newer form. */
const PREFIXES = [
  { text: 'language_model.model.', rest: '' },
  { text: 'model.language_model.', rest: 'model.' },
];

describe.skipIf(!hasGolden('gemma3'))('a folder of Gemma 3 with a vision tower, made of ../shared/golden/gemma3', () => {
  const read = (name: string) => JSON.parse(readFileSync(join(goldenPath('gemma3'), name), 'utf8')) as JsonObject;
  const reason = 'of the vision tower: only the text part is loaded';

  function writeWhole({ text, rest }: (typeof PREFIXES)[number]): readonly string[] {
    const picture: FixtureTensor = { dtype: 'F32', shape: [2, 2], bytes: new Uint8Array(16) };
    const others = ['vision_tower.vision_model.encoder.layers.0.mlp.fc1.weight', 'multi_modal_projector.mm_input_projection_weight'].map(
      (name) => rest + name,
    );
    const own = [...readFixtureTensors(join(goldenPath('gemma3'), 'model.safetensors'))].map(
      ([name, tensor]) => [name.replace(/^model\./, text), tensor] as const,
    );
    writeFolder(
      { model_type: 'gemma3', text_config: read('config.json'), vision_config: { hidden_size: 2 }, mm_tokens_per_image: 256 },
      new Map([...own, ...others.map((name) => [name, picture] as const)]),
    );
    return others;
  }

  it.each(PREFIXES)('$text and names: gives the logits of the text model, and says what it left out', async (prefixes) => {
    const skipped = writeWhole(prefixes).map((name) => ({ name, reason }));
    const model = await loadModel(folder, { device: 'reference' });
    const expected = readFixtureTensors(join(goldenPath('gemma3'), 'golden.safetensors'));
    try {
      const logits = await model.forward(readGolden('gemma3').prompts['mid']!);
      expect(relativeError(logits, f32Of(expected, 'mid.logits'))).toBeLessThan(1e-4);
      expect(model.info).toMatchObject({ architecture: 'gemma3_text', warnings: [], skipped });
    } finally {
      await model.dispose();
    }
    const checkpoint = await openCheckpoint(await locate(folder));
    expect(await inspectReport(checkpoint, {})).toMatchObject({ isSupported: true, model: { skipped } });
    await checkpoint.close();
  });

  it('is converted as the text model alone', async () => {
    writeWhole(PREFIXES[0]!);
    copyFileSync(join(goldenPath('gemma3'), 'generation_config.json'), join(folder, 'generation_config.json'));
    const { tensors } = await convertFile(folder, join(folder, 'whole.gguf'), { type: 'f32', modelName: 'same' });
    await convertFile(goldenPath('gemma3'), join(folder, 'text.gguf'), { type: 'f32', modelName: 'same' });
    expect(tensors).toBe(readFixtureTensors(join(goldenPath('gemma3'), 'model.safetensors')).size);
    expect(Buffer.compare(readFileSync(join(folder, 'whole.gguf')), readFileSync(join(folder, 'text.gguf')))).toBe(0);
  });
});
