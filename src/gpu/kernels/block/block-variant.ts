/** The variant record of a block, and what follows from it. */
import type { ActivationName } from '../../../graph/ops/activation.ts';
import { attentionSizes } from '../../attention-shape.ts';
import type { AttentionShape } from '../../attention-shape.ts';
import { isPowerOfTwo, kernelKey } from '../../kernel.ts';
import type { LinearPartShape } from '../../linear-shape.ts';

/** Rows of the first product of one invocation, which shares what it reads of x among them. */
export const ROWS_EACH = 4;

/** Rows of gate, and of up behind them, as they alternate. */
const RUN = 16;

/** What lies between the two products. */
export type BlockMiddle =
  /** Rows [q | k | v] of the first product. A workgroup has some queries of one key head, and their keys. */
  | {
      readonly kind: 'attention';
      readonly shape: AttentionShape;
      readonly queryHeads: number;
      /** Most positions of a sequence. */
      readonly keys: number;
    }
  /** Rows of gate and up, 16 by 16. A workgroup has so many values of fn(gate) * up, a multiple of 16. */
  | { readonly kind: 'gated'; readonly fn: ActivationName; readonly values: number }
  /** No second product: a workgroup has so many rows of the first, a multiple of 4. */
  | { readonly kind: 'none'; readonly rows: number };

export interface BlockVariant {
  /** Values of x. */
  readonly width: number;
  /** x is the sum of so many vectors. */
  readonly parts: number;
  readonly norm: { readonly eps: number };
  /** What both products read: int8 in blocks of 16 with scales (q8-layout.ts), or floats. */
  readonly activations: 'int8' | 'float';
  readonly first: LinearPartShape;
  readonly middle: BlockMiddle;
  /** Behind a middle: [width, values of all workgroups]. */
  readonly second: LinearPartShape | undefined;
  /** A power of two from 16 on. */
  readonly invocations: number;
}

export interface BlockGeometry {
  /** Of a row of x. */
  readonly workgroups: number;
  /** Quads of rows of the first product that a workgroup has, and invocations that share one. */
  readonly rowQuads: number;
  readonly lanes: number;
  /** What a row of the first product is summed by: groups of 32, or quads. */
  readonly units: number;
  /** Values between the products, of a workgroup and of all; 0 where there is no second product. */
  readonly values: number;
  readonly allValues: number;
  /** The same in units. */
  readonly valueUnits: number;
  /** Parts of the sum over vectors that are added up at the same time. */
  readonly slices: number;
  /** Quads of memory in which sums of invocations meet. */
  readonly pieces: number;
}

function ownOf({ middle, first }: BlockVariant) {
  if (middle.kind === 'none') return { rows: middle.rows, workgroups: Math.ceil(first.rows / middle.rows), values: 0 };
  if (middle.kind === 'gated') {
    return { rows: 2 * middle.values, workgroups: first.rows / 2 / middle.values, values: middle.values };
  }
  const { shape: { heads, keyDim, valueDim }, queryHeads } = middle;
  return { rows: (queryHeads + 1) * keyDim + valueDim, workgroups: heads / queryHeads, values: queryHeads * valueDim };
}

export function geometryOf(variant: BlockVariant): BlockGeometry {
  const { width, parts, activations, invocations } = variant;
  const { rows, workgroups, values } = ownOf(variant);
  const unit = activations === 'int8' ? 32 : 4;
  const rowQuads = rows / ROWS_EACH;
  const units = width / unit;
  const lanes = Math.max(1, Math.min(2 ** Math.floor(Math.log2(invocations / rowQuads)), 2 ** Math.ceil(Math.log2(units))));
  const slices = Math.max(1, Math.min(parts, Math.floor(invocations / (width / 4))));
  return {
    workgroups, rowQuads, lanes, units, values, allValues: values * workgroups, valueUnits: values / unit, slices,
    pieces: Math.max(rowQuads * lanes, slices * (width / 4)),
  };
}

/** Throws RangeError where the text of a variant would be wrong. */
export function checkVariant(variant: BlockVariant): void {
  const { width, activations, first, middle, second, invocations } = variant;
  const require = (holds: boolean, what: string) => {
    if (!holds) throw new RangeError(`block: ${what} (${kernelKey('block', variant)})`);
  };
  const { workgroups, rowQuads, values } = geometryOf(variant);
  const unit = activations === 'int8' ? 32 : 4;
  require(isPowerOfTwo(invocations) && invocations >= 16, 'invocations are a power of two from 16 on');
  require(width % unit === 0, `x has a multiple of ${unit} values`);
  require(Number.isInteger(rowQuads) && Number.isInteger(workgroups), 'workgroups have equal rows, four by four');
  require(values % unit === 0, `a workgroup has a multiple of ${unit} values between the products`);
  require((second === undefined) === (middle.kind === 'none'), 'there is a second product behind a middle alone');
  require(second === undefined || second.rows === width, 'the second product makes what x is a sum of');
  if (middle.kind === 'gated') require(middle.values % RUN === 0, `gate and up alternate by ${RUN}`);
  if (middle.kind !== 'attention') return;
  const { shape, queryHeads } = middle;
  const { group, key, value } = attentionSizes(shape);
  require(group % queryHeads === 0, `${queryHeads} heads a workgroup divide a group of ${group}`);
  require(key.paddedQuads === key.quads && value.paddedQuads === value.quads, 'heads fill their chunks of the cache');
  require(first.rows === (shape.heads + shape.kvHeads) * shape.keyDim + shape.kvHeads * shape.valueDim, 'rows are [q | k | v]');
}
