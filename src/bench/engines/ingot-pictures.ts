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
import { InputError } from '../../tensor/errors.ts';
import { ownMemory } from '../engine.ts';
import type { EngineSettings, OpenEngine, PictureSize } from '../engine.ts';
import { deviceOf } from './ingot-device.ts';
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

const mostPatches = (family: VisionInfo['family']) =>
  Math.max(...Object.values(GRIDS[family]).flatMap((grid) => grid.map(([rows, columns]) => rows * columns)));

interface Tower {
  readonly info: VisionInfo;
  /** Of all pictures that an image of this size becomes; the device has worked at them once before. */
  time(size: PictureSize): Promise<number>;
  dispose(): Promise<void>;
}

async function openTower(settings: EngineSettings): Promise<Tower> {
  const { modelPath, device, threads } = settings;
  const checkpoint = await openCheckpoint(await locate(modelPath));
  try {
    const family = (await openDecoder(checkpoint)).vision?.info.family;
    if (family === undefined) throw new InputError(`${checkpoint.name} does not see: it has no tower, and none lies beside it.`);
    const { model, weights, vision } = await openDecoder(checkpoint, { mostPatches: mostPatches(family) });
    const executor = await openExecutor({ device: deviceOf(settings), threads: device === 'cpu' ? threads : undefined });
    const kv = { type: 'f16', pageTokens: 64, maxPages: 4 } as const;
    const program = await executor.load({ model, weights, kv, sizes: { rows: 64, ...visionSizes(vision!) } });
    const picturesOf = createPictures(vision!.info);
    return {
      info: vision!.info,
      async time(size) {
        const pictures = picturesOf(size);
        const pass = async () => {
          for (const picture of pictures) await program.run([towerRun(vision!, picture, [SEEING.tower.embeddings])]);
        };
        await pass();
        const startMs = performance.now();
        await pass();
        return performance.now() - startMs;
      },
      dispose: () => program.dispose(),
    };
  } finally {
    await checkpoint.close();
  }
}

/** The tower is timed first, for it alone takes the device's memory of the whole model once more. */
export async function openPictures(settings: EngineSettings): Promise<OpenEngine> {
  let tower: Tower | undefined = await openTower(settings);
  const picturesOf = createPictures(tower.info);
  const patches = mostPatches(tower.info.family);
  const towerTimes = new Map<PictureSize, number>();
  for (const size of Object.keys(GRIDS[tower.info.family]) as PictureSize[]) towerTimes.set(size, await tower.time(size));
  await tower.dispose();
  tower = undefined;
  const { modelPath, device, threads, contextLength } = settings;
  const model = await loadModel(modelPath, {
    device: deviceOf(settings), threads: device === 'cpu' ? threads : undefined, mostPatches: patches, contextLength,
  });
  await model.ready();
  return {
    facts: factsOf(model),
    see: async (size, answerTokens) => ({ towerMs: towerTimes.get(size)!, ...(await answerTo(model, picturesOf(size), answerTokens)) }),
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
