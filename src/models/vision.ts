/**
 * What a model that sees has beside its language model: a tower, which makes rows of embeddings of a picture, and the decoder's layers once
 * more over those rows in place of tokens. Both are graphs of the model, so that embeddings never leave the device.
 */
import type { GraphRun, RunInput, SequenceRows } from '../graph/executor.ts';
import type { ModelBuilder } from '../graph/model-graphs.ts';
import type { JsonObject } from '../tensor/checkpoint.ts';
import type { SkipRule, WeightSpec } from './weight-spec.ts';

/** A picture, or a tile of one, as a tower takes it. */
export interface Picture {
  /** [rows * columns, width of a patch]: in the order, and the layout, in which the family's reference has them. */
  readonly patches: Float32Array;
  /** Of patches: multiples of {@link VisionInfo.mergeSize}. */
  readonly rows: number;
  readonly columns: number;
  /** Of pixels and of all settings: pictures of one key have the same embeddings. */
  readonly key: string;
}

/** Which preprocessing a tower wants: SigLIP 2's of LFM2-VL, with tiles and a thumbnail, or Qwen's. */
export type VisionFamily = 'lfm2-vl' | 'qwen-vl';

/** What whoever makes pictures has to know. */
export interface VisionInfo {
  readonly family: VisionFamily;
  /** Pixels of a patch's side. */
  readonly patchSize: number;
  /** Patches of the side of a square that becomes one token. */
  readonly mergeSize: number;
  /** Frames of a patch: 2 where a still image is put in twice. */
  readonly temporalPatchSize: number;
  /** Most patches of a picture that the model was loaded for. */
  readonly mostPatches: number;
  /** The token that stands for a picture in what a template writes; undefined where the file names none. */
  readonly imageToken: number | undefined;
  /** Settings of the image processor, as the folder has them; of a GGUF file none. */
  readonly processor: JsonObject;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** What a loaded tower is made of. */
export interface VisionTower {
  readonly info: VisionInfo;
  readonly weights: readonly WeightSpec[];
  readonly skips: readonly SkipRule[];
  /** How many outputs {@link SEEING.tower} has beside its embeddings, which are added behind the first layers (DeepStack). */
  readonly deep: number;
  /** Whether rows of pictures turn by time, row and column in place of one position. */
  readonly hasAxes: boolean;
  /** Writes {@link SEEING.tower}, whose embeddings are as wide as the language model is. */
  write(m: ModelBuilder): void;
  /** Dims and inputs of its run for a picture. */
  inputsOf(picture: Picture): Pick<GraphRun, 'dims' | 'inputs'>;
}

/** What the graphs, their inputs and their outputs are called. */
export const SEEING = {
  /** `patches` [patches, width] and what the family reckons of them, to `embeddings` [merged, dim] and `deep.K` [merged, dim]. */
  tower: { graph: 'vision', patches: 'patches', embeddings: 'embeddings' },
  /**
   * The decoder's layers over rows of a picture: `pictures` [pictureRows, dim] and `deep.K`, as the tower has them, of which a step takes
   * the rows `pick` [rows], at `positions` [rows]; they turn by `turns` [rows, 3] where the family has axes.
   */
  seen: {
    graph: 'seen', pictures: 'pictures', pick: 'pick', positions: 'positions', turns: 'turns', pictureRows: 'pictureRows', output: 'seen',
  },
} as const;

export function deepName(k: number): string {
  return `deep.${k}`;
}

/** Largest sizes of the dims that runs over pictures give. */
export function visionSizes({ info }: VisionTower): Readonly<Record<string, number>> {
  const { mostPatches, mergeSize } = info;
  return { [SEEING.tower.patches]: mostPatches, [SEEING.seen.pictureRows]: Math.ceil(mostPatches / (mergeSize * mergeSize)) };
}

/** Rows of the language model that a picture takes. */
export function pictureTokens({ mergeSize }: Pick<VisionInfo, 'mergeSize'>, { rows, columns }: Pick<Picture, 'rows' | 'columns'>): number {
  return (rows / mergeSize) * (columns / mergeSize);
}

/** How far the positions that rows turn by go on over a picture: less than its rows where these have axes. */
export function pictureReach({ info, hasAxes }: VisionTower, picture: Pick<Picture, 'rows' | 'columns'>): number {
  return hasAxes ? Math.max(picture.rows, picture.columns) / info.mergeSize : pictureTokens(info, picture);
}

/** The run that makes a picture's embeddings. */
export function towerRun(tower: VisionTower, picture: Picture, wanted: readonly string[] = []): GraphRun {
  return { graph: SEEING.tower.graph, ...tower.inputsOf(picture), wanted };
}

export interface SeenRows {
  readonly picture: Pick<Picture, 'rows' | 'columns'>;
  /** The first of the picture's rows in this step. */
  readonly from: number;
  /** What is added to the position of the picture's first row before it is turned. */
  readonly shift: number;
  readonly sequence: SequenceRows;
}

/** A step of the decoder over some of the rows that a {@link towerRun} before it in the same list makes. */
export function seenRun(tower: VisionTower, { picture, from, shift, sequence }: SeenRows, wanted: readonly string[] = []): GraphRun {
  const { seen, tower: { graph, embeddings } } = SEEING;
  const { rows, start } = sequence;
  const upTo = (first: number) => Int32Array.from({ length: rows }, (_, i) => first + i);
  const deep = Array.from({ length: tower.deep }, (_, k): readonly [string, RunInput] => [deepName(k), { graph, output: deepName(k) }]);
  const width = picture.columns / tower.info.mergeSize;
  const first = start - from + shift;
  const turns = Int32Array.from({ length: 3 * rows }, (_, i) => {
    const at = from + Math.floor(i / 3);
    return first + [0, Math.floor(at / width), at % width][i % 3]!;
  });
  return {
    graph: seen.graph,
    dims: { rows, [seen.pictureRows]: pictureTokens(tower.info, picture) },
    inputs: {
      [seen.pictures]: { graph, output: embeddings }, [seen.pick]: upTo(from), [seen.positions]: upTo(start),
      ...Object.fromEntries(deep), ...(tower.hasAxes ? { [seen.turns]: turns } : {}),
    },
    sequences: [sequence],
    wanted,
  };
}
