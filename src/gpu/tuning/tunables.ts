/**
 * The knobs that are tuned on a device, and how they join its profile. A few, by class of shapes: those that devices of one vendor were
 * seen to differ in, and that one number decides.
 */
import type { ModelGraphs } from '../../graph/model-graphs.ts';
import type { DeviceProfile, ProfileChoice, ProfileKnobs } from '../profile/device-profile.ts';

/** Models whose products are alike, by the width of what flows between layers: what suits one of them suits the others. */
export type ShapeClass = 'narrow' | 'middle' | 'wide';

export const SHAPE_CLASSES: readonly ShapeClass[] = ['narrow', 'middle', 'wide'];

/** Widths from which a model is of the middle class (Qwen3-4B has 2,560), and of the wide one (Qwen3-8B has 4,096). */
const MIDDLE_FROM = 2048;
const WIDE_FROM = 4096;

export function shapeClassOf(width: number): ShapeClass {
  if (width < MIDDLE_FROM) return 'narrow';
  return width < WIDE_FROM ? 'middle' : 'wide';
}

/** The class of a model that makes tokens; undefined of any other, which nothing is tuned for. */
export function shapeClassOfModel({ graphs, decoder }: Pick<ModelGraphs, 'graphs' | 'decoder'>): ShapeClass | undefined {
  const graph = decoder && graphs.get(decoder.graph);
  for (const { op } of graph?.nodes ?? []) {
    if (op.kind === 'embed') return shapeClassOf(op.weight.shape[1] as number);
  }
  return undefined;
}

/** A knob with the numbers that are tried. */
export interface Tunable {
  /** `gemvInt8.headRows` */
  readonly name: string;
  readonly family: keyof ProfileKnobs;
  readonly knob: string;
  /** What it decides, for people. */
  readonly about: string;
  readonly values: readonly number[];
  /** Keys that the token attends to, on which it is timed. */
  readonly keys: number;
  /** The choice of the profile that it belongs to. */
  readonly choice: ProfileChoice;
}

/** A number of rows, or columns, that no matrix has. */
export const NEVER = 2 ** 30;
const FEW_KEYS = 256;
const MANY_KEYS = 1024;

type Row = readonly [family: 'gemvInt8' | 'gemvFloat' | 'attention', knob: string, about: string, values: readonly number[], keys?: number];

const INT8_BY_SUBGROUPS: readonly Row[] = [
  ['gemvInt8', 'headRows', 'rows of the output head that a workgroup takes', [4, 8, 16, 32]],
  ['gemvInt8', 'rows', 'rows of another product that a workgroup takes', [16, 32]],
  ['gemvInt8', 'splitFromCols', 'columns from which two subgroups share two rows', [1024, 2048, 4096, 8192, NEVER]],
  ['gemvInt8', 'wideRows', 'rows of gate and up from which a subgroup takes four', [4096, 17_408, NEVER]],
];
const INT8_BY_INVOCATIONS: readonly Row[] = [
  ['gemvInt8', 'flatInvocations', 'rows of a product that a workgroup takes', [32, 64, 128, 256]],
];
const FLOAT_BY_SUBGROUPS: readonly Row[] = [
  ['gemvFloat', 'rowsPerTeam', 'rows of a product that a subgroup takes', [1, 2, 4]],
  ['gemvFloat', 'teams', 'subgroups of a workgroup', [2, 4, 8]],
];
const FLOAT_BY_INVOCATIONS: readonly Row[] = [['gemvFloat', 'flatLanes', 'invocations that share a row of a product', [1, 16, 32]]];
const ATTENTION_BY_SUBGROUPS: readonly Row[] = [
  ['attention', 'invocations', 'invocations of attention to all keys of a head', [128, 256, 512]],
  ['attention', 'unroll', 'keys that a lane has in flight there', [4, 8]],
  ['attention', 'splits', 'parts that many keys are divided into', [8, 16, 32], MANY_KEYS],
  ['attention', 'splitInvocations', 'invocations of attention to a part of the keys', [64, 128, 256], MANY_KEYS],
  ['attention', 'splitUnroll', 'keys that a lane has in flight there', [2, 4, 8], MANY_KEYS],
];
const ATTENTION_BY_INVOCATIONS: readonly Row[] = [
  ['attention', 'flatInvocations', 'invocations of attention', [64, 128, 256]],
  ['attention', 'splits', 'parts that many keys are divided into', [8, 16, 32], MANY_KEYS],
];

/** What is tried on a device: its kernels' own knobs, in the order in which most is to be had. */
export function tunablesOf({ subgroupSize, activations }: Pick<DeviceProfile, 'subgroupSize' | 'activations'>): readonly Tunable[] {
  const bySubgroups = subgroupSize !== undefined;
  const ofInt8 = bySubgroups ? INT8_BY_SUBGROUPS : INT8_BY_INVOCATIONS;
  const ofFloat = bySubgroups ? FLOAT_BY_SUBGROUPS : FLOAT_BY_INVOCATIONS;
  const rows = [...(activations === 'int8' ? ofInt8 : ofFloat), ...(bySubgroups ? ATTENTION_BY_SUBGROUPS : ATTENTION_BY_INVOCATIONS)];
  return rows.map(([family, knob, about, values, keys = FEW_KEYS]) => ({
    name: `${family}.${knob}`, family, knob, about, values, keys, choice: family,
  }));
}

/** What a profile has of a knob. */
export function knobOf({ knobs }: Pick<DeviceProfile, 'knobs'>, { family, knob, name }: Tunable): number {
  const value = (knobs[family] as unknown as Readonly<Record<string, unknown>>)[knob];
  if (typeof value !== 'number') throw new Error(`tuning: the profile has no number ${name}`);
  return value;
}

export function withKnob(profile: DeviceProfile, { family, knob }: Tunable, value: number): DeviceProfile {
  return { ...profile, knobs: { ...profile.knobs, [family]: { ...profile.knobs[family], [knob]: value } } };
}
