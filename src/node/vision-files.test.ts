import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest';
import { answerTo, segmentsOf } from '../../test/check-seeing.ts';
import { hasShared } from '../../test/fixture-tensors.ts';
import { goldenPath } from '../../test/goldens.ts';
import { entryOf } from '../../test/memory-checkpoint.ts';
import { writeProjector } from '../../test/projector-file.ts';
import { readVisionGolden, VISION_GOLDENS } from '../../test/vision-golden.ts';
import type { VisionGoldenName } from '../../test/vision-golden.ts';
import { createModel } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { bool, string, uint32 } from '../tensor/gguf-value.ts';
import { convertFile } from './convert.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

const THERE = VISION_GOLDENS.filter((name) => hasShared(`golden/${name}/golden.json`));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-vision-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function greedyOf(path: string, name: VisionGoldenName, mmproj?: string): Promise<readonly number[]> {
  const model = await loadModel(path, { device: 'reference', mmproj });
  try {
    return (await answerTo(model, segmentsOf(readVisionGolden(name)))).tokens;
  } finally {
    await model.dispose();
  }
}

/** The golden's text part as a GGUF file, and the file of its tower. */
async function written(name: VisionGoldenName, projector: string): Promise<string> {
  const golden = readVisionGolden(name);
  const path = join(folder, `${name}.gguf`);
  await convertFile(golden.folder, path, { type: 'f32', vocabulary: 'none' });
  await writeProjector(join(folder, projector), name, golden);
  return path;
}

describe.each(THERE)('GGUF files of %s', (name) => {
  it('see with the mmproj file that is named, or lies beside them', async () => {
    const projector = `tower-of-${name}.gguf`;
    const path = await written(name, projector);
    const golden = readVisionGolden(name);
    // What llama.cpp asks of the language model beside the tower.
    const { metadata, close } = await openCheckpoint(await locate(path));
    expect(metadata.get('qwen3vl.n_deepstack_layers')).toBe(name === 'qwen3_vl' ? 2 : undefined);
    await close();
    expect(await greedyOf(path, name, join(folder, projector))).toEqual(golden.greedy);
    copyFileSync(join(folder, projector), join(folder, `mmproj-${name}.gguf`));
    expect(await greedyOf(path, name)).toEqual(golden.greedy);
  });
});

describe.skipIf(THERE.length < 3)('what does not belong together', () => {
  const load = (path: string, mmproj?: string) => loadModel(path, { device: 'reference', mmproj });

  it('is refused by name where it was named', async () => {
    const path = await written('qwen3_vl', 'mmproj-qwen3_vl.gguf');
    const other = await written('lfm2_vl', 'mmproj-lfm2_vl.gguf');
    await expect(load(path, join(folder, 'mmproj-lfm2_vl.gguf'))).rejects.toThrow('does not belong to');
    await expect(load(other, join(folder, 'missing.gguf'))).rejects.toThrow('missing.gguf');
    await expect(load(other, path)).rejects.toThrow('expected a projector (general.architecture "clip"');
    await expect(load(goldenPath('qwen3'), join(folder, 'mmproj-lfm2_vl.gguf'))).rejects.toThrow('a folder holds its tower itself');
    await expect(load(other, 'tower.bin')).rejects.toThrow('tower.bin');
    const strange = join(folder, 'strange.gguf');
    await writeProjector(strange, 'lfm2_vl', readVisionGolden('lfm2_vl'), new Map([['clip.projector_type', string('gemma3')]]));
    await expect(load(other, strange)).rejects.toThrow('a projector of the kind "gemma3" is not supported');
  });

  it('is left alone where it only lies there', async () => {
    const alone = mkdtempSync(join(folder, 'text-'));
    copyFileSync(await written('qwen3_vl', 'mmproj-qwen3_vl.gguf'), join(alone, 'text.gguf'));
    await writeProjector(join(alone, 'mmproj-F16.gguf'), 'lfm2_vl', readVisionGolden('lfm2_vl'));
    const model = await load(alone);
    expect(model.vision).toBeUndefined();
    expect(model.info.warnings).toEqual([]);
    await model.dispose();
  });

  it('is a warning where it only lies there and cannot be read, and an error where it was named', async () => {
    const alone = mkdtempSync(join(folder, 'text-'));
    copyFileSync(await written('qwen3_vl', 'mmproj-qwen3_vl.gguf'), join(alone, 'text.gguf'));
    const whole = readFileSync(join(folder, 'mmproj-qwen3_vl.gguf'));
    const broken = join(alone, 'mmproj-F16.gguf');
    const golden = readVisionGolden('qwen3_vl');
    const hears = new Map([['clip.projector_type', uint32(3)], ['clip.has_audio_encoder', bool(true)]]);
    const cases: readonly (readonly [string, () => unknown])[] = [
      ['half a download', () => writeFileSync(broken, whole.subarray(0, whole.length >> 1))],
      ['cut in its head', () => writeFileSync(broken, whole.subarray(0, 100))],
      ['a page', () => writeFileSync(broken, '<!DOCTYPE html>')],
      ['a model of text', () => copyFileSync(join(alone, 'text.gguf'), broken)],
      ['no kind that is known', () => writeProjector(broken, 'qwen3_vl', golden, hears)],
      ['settings that cannot be', () => writeProjector(broken, 'qwen3_vl', golden, new Map([['clip.vision.block_count', uint32(99)]]))],
    ];
    for (const [what, write] of cases) {
      await write();
      const model = await load(join(alone, 'text.gguf'));
      expect(model.vision, what).toBeUndefined();
      expect(model.info.warnings, what).toEqual([expect.stringMatching(/^the file of a tower beside .*mmproj-F16\.gguf/)]);
      await model.dispose();
      await expect(load(join(alone, 'text.gguf'), broken), what).rejects.toThrow('mmproj-F16.gguf');
    }
  });
});

/** A folder as mlx-vlm writes it: other prefixes, and the patches' matrix with colours last. */
async function asMlx(path: string): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(await locate(path));
  const tensors = new Map<string, TensorEntry>();
  for (const [name, entry] of checkpoint.tensors) {
    const own = name.replace(/^model\.(visual|vision_tower)\./, 'vision_tower.').replace(/^model\.multi_modal/, 'multi_modal')
      .replace(/^model\.language_model\./, 'language_model.model.').replace(/^lm_head\./, 'language_model.lm_head.');
    tensors.set(own, own.includes('patch_embed.proj.weight') ? await withColoursLast(own, entry) : entry);
  }
  return { ...checkpoint, tensors };
}

/** [dim, colour, time, row, column] as [dim, time, row, column, colour]. */
async function withColoursLast(name: string, entry: TensorEntry): Promise<TensorEntry> {
  const [dim = 0, colours = 0, ...inner] = entry.shape;
  const bytes = new Uint8Array(entry.sizeBytes);
  await entry.read(0, bytes);
  const values = new Float32Array(bytes.buffer);
  const width = values.length / dim / colours;
  const moved = Float32Array.from(values, (_, i) => {
    const row = Math.floor(i / (colours * width));
    return values[(row * colours + (i % colours)) * width + (Math.floor(i / colours) % width)]!;
  });
  return entryOf(name, { shape: [dim, ...inner, colours], bytes: new Uint8Array(moved.buffer) });
}

test.each(THERE)('a folder of MLX of %s sees the same', async (name) => {
  const golden = readVisionGolden(name);
  const model = await createModel({ checkpoint: await asMlx(golden.folder), executor: createReferenceExecutor() });
  expect((await answerTo(model, segmentsOf(golden))).tokens).toEqual(golden.greedy);
  await model.dispose();
});
