/**
 * What the planner knows of a device: plain data, chosen by profile-for.ts from the table in profiles.ts. Nothing else decides between
 * kernel variants, so a profile's name is enough to print a device's plan without having it.
 */

import type { MatrixConfig } from '../wgsl/subgroup-matrix.ts';

export type ProfileName =
  | 'apple-m1' | 'apple-m2' | 'apple-m3' | 'apple-m4' | 'apple-m5' | 'nvidia' | 'amd' | 'intel' | 'software' | 'generic';

/** Matrix times a vector (or a few) with int8 activations. Subgroups count only where the profile has a subgroup size. */
export interface GemvInt8Knobs {
  /** Rows of a workgroup, one for each subgroup; 16 at least, so that it owns a block of an int8 result. */
  readonly rows: number;
  /** The same for the output head, whose rows are many. */
  readonly headRows: number;
  /** Products with no more rows than columns, and at least this many columns: two subgroups share two rows. */
  readonly splitFromCols: number;
  /** Products of 5 to 8 columns whose rows are at least so long take GEMVs where there are matrix units too. */
  readonly eightFromCols: number;
  /** Products of 9 to 16 columns with at most so many weights take two passes of them, for the same reason. */
  readonly passesUpTo: number;
  /** Gate and up together with at least this many rows: four rows a subgroup instead of two, so that all workgroups run at once. */
  readonly wideRows: number;
  /**
   * The same of at least this many rows, for one column: four rows a subgroup, twice as many subgroups a workgroup; for several columns:
   * four rows for parts of a subgroup.
   */
  readonly largeRows: number;
  /** Of a workgroup, without subgroups: a row for each invocation. */
  readonly flatInvocations: number;
}

/** The same with float activations. A team is what works on a row together: a subgroup, or `flatLanes` invocations without subgroups. */
export interface GemvFloatKnobs {
  /** How codes become floats (kernels/gemv-float/code-form.ts). */
  readonly arithmetic: 'integer' | 'half' | 'subnormal';
  readonly rowsPerTeam: 1 | 2 | 4;
  readonly teams: number;
  /** 1: a row for each invocation. */
  readonly flatLanes: 1 | 16 | 32;
  readonly flatInvocations: number;
}

/** A tile of a matrix times many rows, without matrix units. */
export interface GemmKnobs {
  /** Rows of activations of a workgroup's tile. */
  readonly tileRows: number;
  /** Rows of the weight matrix of a workgroup's tile. */
  readonly tileCols: number;
  /** Columns that are staged in workgroup memory at a time. */
  readonly tileDepth: number;
  /** Of activations. */
  readonly rowsPerInvocation: number;
}

/** Attention of single rows. Without subgroups workgroups have `flatInvocations`. */
export interface AttentionKnobs {
  /** Of a workgroup that takes all keys of a query head, and of one that takes a part of them for a whole group of heads. */
  readonly invocations: number;
  readonly splitInvocations: number;
  /** Keys that a lane has in flight, in one and the other. */
  readonly unroll: number;
  readonly splitUnroll: number;
  /** Keys from which a query's keys are split over workgroups, into how many parts, each a multiple of how many keys. */
  readonly splitFrom: number;
  readonly splits: number;
  readonly splitGranule: number;
  /** With subgroups: rows from which a workgroup takes a whole group of heads, and into how many parts their keys are then split. */
  readonly groupedFrom: number;
  readonly groupedSplits: number;
  readonly flatInvocations: number;
  /** Prefill: what a workgroup of a tile of queries may have; the tile is the best that fits. */
  readonly tileInvocations: number;
  readonly tileBytes: number;
  /**
   * On matrix units: keys from which, for up to 32 rows (of more rows as many more keys), and rows up to which, the keys of tiles are
   * divided over workgroups, and into how many parts.
   */
  readonly tileSplitFrom: number;
  readonly tileSplitRows: number;
  readonly tileSplits: number;
  /**
   * The same: workgroups of narrow tiles, those without rows at sequences' ends too, beyond which tiles are wide, with twice as many
   * subgroups; 0: they never are.
   */
  readonly wideTilesFrom: number;
}

/** Sums behind blocks, x + norm(y), which the products that read them may make. */
export interface SumKnobs {
  /** Most values of a sum over all workgroups of a product that does: each makes the whole sum. */
  readonly mostValues: number;
}

/** Halves of layers of small transformers as one dispatch (kernels/block). */
export interface BlockKnobs {
  /** Most weights of a workgroup; 0: there are no such dispatches. */
  readonly weights: number;
}

/** Dispatches of a decoded token that share bind groups (program/shared-groups.ts). */
export interface GroupKnobs {
  /** Of models whose dispatches move at most so many bytes each, on an average; 0: of none. */
  readonly bytes: number;
}

/** The gated delta rule over many rows of a sequence (kernels/delta-rule/chunk-records.ts). */
export interface DeltaRuleKnobs {
  /** Rows of a chunk: 16, 32 or 64. */
  readonly chunk: 16 | 32 | 64;
  /** Most lines of a head's state that a workgroup takes from chunk to chunk: a multiple of 4. */
  readonly lines: number;
  /** Rows of a chunk, for four lines, that an invocation takes: a power of two. */
  readonly rowsPerInvocation: 1 | 2 | 4;
}

export interface ProfileKnobs {
  readonly gemvInt8: GemvInt8Knobs;
  readonly gemvFloat: GemvFloatKnobs;
  /** By the type of the activations. */
  readonly gemm: { readonly int8: GemmKnobs; readonly f32: GemmKnobs };
  readonly attention: AttentionKnobs;
  readonly sums: SumKnobs;
  readonly deltaRule: DeltaRuleKnobs;
  readonly blocks: BlockKnobs;
  readonly groups: GroupKnobs;
}

/** How weights in blocks are multiplied: `int8` rounds activations to int8 first. */
export type ActivationType = 'int8' | 'f32' | 'f16';

/** What a profile chooses; each has its reason. `profile` says why this profile, `limits` where its sizes come from. */
export type ProfileChoice =
  | 'profile'
  | 'subgroups'
  | 'f16'
  | 'activations'
  | 'gemvInt8'
  | 'gemvFloat'
  | 'gemm'
  | 'attention'
  | 'sums'
  | 'deltaRule'
  | 'blocks'
  | 'groups'
  | 'matrixUnits'
  | 'prefillRows'
  | 'stepsPerSubmit'
  | 'limits';

/** A sentence or two on each choice, for `ingot doctor` and `ingot kernels`. */
export type ProfileReasons = { readonly [Choice in ProfileChoice]: string };

/** What adapter facts a profile is for: a vendor as WebGPU names it, and what the device's name contains where it is known. */
export interface ProfileMatch {
  readonly vendor: string;
  readonly device?: string | undefined;
}

export interface DeviceProfile {
  readonly name: ProfileName;
  readonly matches: readonly ProfileMatch[];
  /** Lanes of a subgroup; undefined: kernels without subgroup operations. */
  readonly subgroupSize: number | undefined;
  readonly hasF16: boolean;
  /** Whether `pack2x16float` makes of values that f16 does not hold what IEEE 754 says: infinity, and NaN of NaN. */
  readonly packsIeee: boolean;
  readonly activations: ActivationType;
  /** Sizes and types of the matrix units that products of many rows take; undefined: none. */
  readonly subgroupMatrix: MatrixConfig | undefined;
  /** Storage buffers of one kernel. */
  readonly storageBuffers: number;
  readonly maxBufferBindingBytes: number;
  /** Invocations of a workgroup. */
  readonly invocations: number;
  readonly workgroupBytes: number;
  /** Most rows of a prefill chunk. */
  readonly prefillRows: number;
  /** Most multiply-adds of a chunk's products: about a tenth of a second. Larger models take fewer rows a chunk. */
  readonly chunkMultiplyAdds: number;
  /** Most decode steps of one submit. */
  readonly stepsPerSubmit: number;
  readonly knobs: ProfileKnobs;
  readonly why: ProfileReasons;
}
