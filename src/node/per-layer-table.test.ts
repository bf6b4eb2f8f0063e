/** Gemma 4 with its table of embeddings for each layer left in the file: the same answers, files open as long as the model. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { f32Of, readFixtureTensors } from '../../test/fixture-tensors.ts';
import { goldenPath, hasGolden, readGolden } from '../../test/goldens.ts';
import { relativeError } from '../../test/relative-error.ts';
import { collect } from '../engine/collect.ts';
import { createModel } from '../engine/model.ts';
import type { CreateModelOptions } from '../engine/model.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import { openDecoder } from '../models/open-decoder.ts';
import { createReferenceExecutor } from '../reference/reference-executor.ts';
import type { Executor } from '../graph/executor.ts';
import type { Checkpoint, TensorEntry } from '../tensor/checkpoint.ts';
import { FormatError, InputError } from '../tensor/errors.ts';
import { convert } from './convert.ts';
import { fileSink } from './file-sink.ts';
import { loadModel } from './load-model.ts';
import { locate } from './open-path.ts';

const TABLE = 'model.embed_tokens_per_layer.weight';
const path = goldenPath('gemma4');
const open = async (from = path): Promise<Checkpoint> => openCheckpoint(await locate(from));

type TableRead = TensorEntry['read'];

interface Watched {
  readonly checkpoint: Checkpoint;
  closes: number;
  /** Bytes of the table that were read. */
  readonly reads: number[];
}

/** The golden with its table's reads and its closing counted; `read`: in place of the table's own. */
async function watched(read?: (own: TableRead) => TableRead): Promise<Watched> {
  const own = await open();
  const table = own.tensors.get(TABLE) as TensorEntry;
  const readOf = read?.(table.read.bind(table)) ?? table.read.bind(table);
  const found: Watched = {
    closes: 0,
    reads: [],
    checkpoint: {
      ...own,
      tensors: new Map([...own.tensors, [TABLE, {
        ...table,
        read(at, into, options) {
          found.reads.push(into.length);
          return readOf(at, into, options);
        },
      }]]),
      async close() {
        found.closes++;
        await own.close();
      },
    },
  };
  return found;
}

const onHost = (checkpoint: Checkpoint, more: Partial<CreateModelOptions> = {}) =>
  createModel({ checkpoint, executor: createReferenceExecutor(), perLayerTable: 'host', ...more });

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ingot-per-layer-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.skipIf(!hasGolden('gemma4'))('perLayerTable "host" (needs ../shared/golden)', () => {
  const golden = hasGolden('gemma4') ? readGolden('gemma4') : { prompts: {}, greedy: {} };

  it.each(['reference', 'cpu'] as const)('gives what transformers computes, and what "device" gives, on %s', async (device) => {
    const tensors = readFixtureTensors(join(path, 'golden.safetensors'));
    const models = [];
    for (const perLayerTable of ['device', 'host'] as const) models.push(await loadModel(path, { device, perLayerTable }));
    const [wanted, found] = models as [(typeof models)[0], (typeof models)[0]];
    expect(found.info.parameters).toBe(wanted.info.parameters);
    expect(found.info.memory.weightBytes).toBeLessThan(wanted.info.memory.weightBytes);
    for (const [prompt, ids] of Object.entries(golden.prompts)) {
      const logits = await found.forward(ids);
      expect(relativeError(logits, f32Of(tensors, `${prompt}.logits`)), prompt).toBeLessThan(1e-4);
      expect(relativeError(logits, await wanted.forward(ids)), prompt).toBeLessThan(1e-6);
      const { tokens } = await collect(found.generate({ ids, temperature: 0, ignoreEos: true, maxTokens: golden.greedy[prompt]!.length }));
      expect(tokens, prompt).toEqual(golden.greedy[prompt]);
    }
    for (const model of models) await model.dispose();
  });

  it('gives what "device" gives of a GGUF file with blocks', async () => {
    const file = join(folder, 'blocks.gguf');
    const source = await open();
    await convert(source, await fileSink(file), { type: 'q8_0' });
    await source.close();
    const made = await open(file);
    expect(made.tensors.get('per_layer_token_embd.weight')?.type).toBe('q8_0');
    await made.close();
    const logits = [];
    for (const perLayerTable of ['device', 'host'] as const) {
      const model = await loadModel(file, { device: 'reference', perLayerTable });
      expect(model.info).toMatchObject({ kvType: 'f16', quantisation: expect.stringContaining('q8_0') });
      logits.push(await model.forward([5, 9, 60, 3]));
      await model.dispose();
    }
    expect(logits[1]).toEqual(logits[0]);
  });

  it('loads all but the table, and names it as read by the host', async () => {
    const checkpoint = await open();
    const [whole, less] = [await openDecoder(checkpoint), await openDecoder(checkpoint, { perLayerTable: 'host' })];
    expect(whole.hostTable).toBeUndefined();
    expect([...whole.weights.keys()].filter((id) => !less.weights.has(id))).toEqual(['per_layer.embedding']);
    expect(less.model.weights.map(({ id }) => id).sort()).toEqual([...less.weights.keys()].sort());
    expect(less.skipped).toEqual(whole.skipped);
    expect(less.hostTable?.origin).toContain(TABLE);
    await checkpoint.close();
  });

  it('reads the row of each token once a step, and closes the files with the model', async () => {
    const file = await watched();
    const model = await onHost(file.checkpoint);
    expect(file).toMatchObject({ closes: 0, reads: [] });
    expect(model.info.readByHost).toContain(TABLE);
    const table = file.checkpoint.tensors.get(TABLE) as TensorEntry;
    await model.forward([5, 9, 5, 5, 3]);
    expect(file.reads).toEqual(Array.from({ length: 3 }, () => table.sizeBytes / (table.shape[0] as number)));
    await model.dispose();
    await model.dispose();
    expect(file.closes).toBe(1);
    await expect(table.read(0, new Uint8Array(4))).rejects.toThrow();
    const all = await watched();
    await (await createModel({ checkpoint: all.checkpoint, executor: createReferenceExecutor() })).dispose();
    expect(all.closes).toBe(1);
  });

  it('closes the files where loading fails', async () => {
    const failing: Executor = { ...createReferenceExecutor(), load: () => Promise.reject(new Error('no room')) };
    for (const more of [{ contextLength: 1e9 }, { executor: failing }]) {
      const file = await watched();
      await expect(onHost(file.checkpoint, more)).rejects.toThrow();
      expect(file.closes).toBe(1);
    }
  });

  it('stops reading when the call is aborted, and goes on with the next', async () => {
    const aborting = new AbortController();
    const file = await watched((own) => async (at, into, options) => {
      expect(options?.signal).toBe(isWatched ? aborting.signal : undefined);
      if (isWatched) aborting.abort(new Error('enough'));
      await own(at, into, options);
    });
    let isWatched = true;
    const model = await onHost(file.checkpoint);
    await expect(model.forward([5, 9, 60, 3], { signal: aborting.signal })).rejects.toThrow('enough');
    isWatched = false;
    const plain = await onHost(await open());
    expect(await model.forward([5, 9, 60, 3])).toEqual(await plain.forward([5, 9, 60, 3]));
    await plain.dispose();
    await model.dispose();
  });

  it('refuses a row that holds no number', async () => {
    const file = await watched(() => async (_, into) => void into.fill(0xff));
    const model = await onHost(file.checkpoint);
    const running = model.forward([5]);
    await expect(running).rejects.toThrow(FormatError);
    await expect(running).rejects.toThrow('found NaN in the row of token 5');
    await model.dispose();
  });

  it('is refused for a model without a table, and by any other name', async () => {
    const checkpoint = await open();
    const without = { ...checkpoint, config: { ...checkpoint.config, hidden_size_per_layer_input: 0 } };
    await expect(openDecoder({ ...without, tensors: withoutTable(checkpoint) }, { perLayerTable: 'host' })).rejects.toThrow(InputError);
    await checkpoint.close();
    const refused = loadModel(goldenPath('llama'), { device: 'reference', perLayerTable: 'host' });
    await expect(refused).rejects.toThrow(InputError);
    await expect(refused).rejects.toThrow('this one (llama) has none');
    await expect(loadModel(path, { device: 'reference', perLayerTable: 'file' as 'host' })).rejects.toThrow(
      'perLayerTable must be "device" or "host", found "file"',
    );
  });
});

function withoutTable({ tensors }: Checkpoint): Checkpoint['tensors'] {
  return new Map([...tensors].filter(([name]) => !name.includes('per_layer')));
}
