/**
 * What a model that sees takes of pictures, as its family cuts and resizes them: its tower alone, then the time to the first token of a
 * prompt with the picture, and decoding behind it. Pixels are random.
 */
import type { Model, Piece } from '../../engine/api.ts';
import { openCheckpoint } from '../../files/open-checkpoint.ts';
import { openDecoder } from '../../models/open-decoder.ts';
import { SEEING, towerRun, visionSizes } from '../../models/vision.ts';
import type { Picture, VisionInfo } from '../../models/vision.ts';
import { loadModel, openExecutor } from '../../node/load-model.ts';
import { locate } from '../../node/open-path.ts';
import { packageVersion } from '../../node/package-root.ts';
import { InputError } from '../../tensor/errors.ts';
import { ownMemory, warmed } from '../engine.ts';
import type { EngineSettings, OpenEngine, PictureSize } from '../engine.ts';
import { deviceOf, tuningOf } from './ingot-device.ts';
import { factsOf } from './ingot-facts.ts';

/** Patches [rows, columns] of the pictures that an image becomes: tiles and a thumbnail of LFM2-VL, one picture of Qwen. */
type Grid = readonly (readonly [rows: number, columns: number])[];
const tiles = (count: number): Grid => Array.from({ length: count }, () => [32, 32] as const);
const GRIDS: Readonly<Record<VisionInfo['family'], Readonly<Record<PictureSize, Grid>>>> = {
  'lfm2-vl': { '224': [[16, 16]], '512': tiles(1), '1024': tiles(5), '2048x1536': [...tiles(6), [26, 36]] },
  'qwen-vl': { '224': [[16, 16]], '512': [[32, 32]], '1024': [[64, 64]], '2048x1536': [[96, 128]] },
};

function createPictures({ family, patchSize, temporalPatchSize }: VisionInfo): (size: PictureSize) => Picture[] {
  let [state, made] = [1, 0];
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const width = 3 * temporalPatchSize * patchSize * patchSize;
  return (size) => GRIDS[family][size].map(([rows, columns]) => ({
    rows, columns, patches: Float32Array.from({ length: rows * columns * width }, random), key: `made ${made++}`,
  }));
}

/** Of the largest picture that was asked for. */
function mostPatches(family: VisionInfo['family'], { pictures = Object.keys(GRIDS[family]) as PictureSize[] }: EngineSettings): number {
  return Math.max(...pictures.flatMap((size) => GRIDS[family][size].map(([rows, columns]) => rows * columns)));
}

async function visionOf({ modelPath }: EngineSettings): Promise<VisionInfo> {
  const checkpoint = await openCheckpoint(await locate(modelPath));
  try {
    const { vision } = await openDecoder(checkpoint);
    if (vision === undefined) throw new InputError(`${checkpoint.name} does not see: it has no tower, and none lies beside it.`);
    return vision.info;
  } finally {
    await checkpoint.close();
  }
}

/** The tower in a process of its own: it takes the memory of all the model's weights, which another one has beside it. */
export async function openTower(settings: EngineSettings): Promise<OpenEngine> {
  const { modelPath, device, threads } = settings;
  const info = await visionOf(settings);
  const checkpoint = await openCheckpoint(await locate(modelPath));
  try {
    const { model, weights, vision } = await openDecoder(checkpoint, { mostPatches: mostPatches(info.family, settings) });
    const executor = await openExecutor({ device: deviceOf(settings), threads: device === 'cpu' ? threads : undefined });
    const kv = { type: 'f16', pageTokens: 64, maxPages: 4 } as const;
    const program = await executor.load({ model, weights, kv, sizes: { rows: 64, ...visionSizes(vision!) } });
    const picturesOf = createPictures(info);
    return {
      facts: { version: packageVersion(), device: executor.description, flags: { towerAlone: true } },
      async tower(size) {
        const pictures = picturesOf(size);
        const pass = async () => {
          for (const picture of pictures) await program.run([towerRun(vision!, picture, [SEEING.tower.embeddings])]);
        };
        // A CPU's clock does not rest for as long as a GPU's, and a pass takes minutes there.
        if (device !== 'cpu') await warmed(pass);
        const startMs = performance.now();
        await pass();
        return performance.now() - startMs;
      },
      memory: ownMemory,
      close: () => program.dispose(),
    };
  } finally {
    await checkpoint.close();
  }
}

export async function openPictures(settings: EngineSettings): Promise<OpenEngine> {
  const { modelPath, device, threads, contextLength } = settings;
  const info = await visionOf(settings);
  const picturesOf = createPictures(info);
  const model = await loadModel(modelPath, {
    device: deviceOf(settings), threads: device === 'cpu' ? threads : undefined, contextLength,
    mostPatches: mostPatches(info.family, settings), tuning: tuningOf(settings),
  });
  await model.ready();
  return {
    facts: factsOf(model),
    see: (size, answerTokens) => answerTo(model, picturesOf(size), answerTokens),
    memory: ownMemory,
    close: () => model.dispose(),
  };
}

let turn = 0;

async function answerTo(model: Model, pictures: readonly Picture[], maxTokens: number) {
  // Words that no earlier prompt had.
  const words = (count: number, from: number) => Array.from({ length: count }, (_, i) => 1000 + ((from + 37 * i) % 5000));
  turn++;
  const segments = [words(12, turn), ...pictures.flatMap((picture) => [words(1, 9), picture]), words(20, turn)];
  let last: Piece | undefined;
  const asked = { segments, maxTokens, ignoreEos: true, temperature: 0, cachePrompt: false };
  for await (const piece of model.generate(asked)) last = piece;
  const { ttftMs, decodeTokensPerSecond } = last!.timings!;
  return { firstMs: ttftMs, tokensPerSecond: decodeTokensPerSecond };
}
