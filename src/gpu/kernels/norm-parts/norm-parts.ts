/** RMS norms of some parts of a row, each over the whole part; the others pass. Parts are of different widths: q, k and v. */
import { kernelHeader, kernelKey, LINEAR_WORKGROUP, linearWorkgroups, MAIN_ARGUMENTS } from '../../kernel.ts';
import type { Binding, Kernel, Workgroups } from '../../kernel.ts';
import { inverseRoot } from '../../wgsl/expressions.ts';
import { lanesOfWidth, rowsExpression, rowsOf, stepBindings, stepStruct } from '../../wgsl/row-pieces.ts';
import type { RowsVariant } from '../../wgsl/row-pieces.ts';
import { laneLoop, rowSumFunction } from '../../wgsl/row-sum.ts';

export interface NormPart {
  readonly width: number;
  /** Undefined: the part passes. */
  readonly norm: { readonly eps: number } | undefined;
}

/** Bindings `x`: f32 [rows, widths of all parts]; `gain`: f32, of all parts, counted for those with a norm; `y`: f32 like x. */
export interface NormPartsVariant extends RowsVariant {
  readonly parts: readonly NormPart[];
}

/** Invocations of a part. */
const LANES = 256;

const widthOf = ({ parts }: NormPartsVariant) => parts.reduce((sum, { width }) => sum + width, 0);

/** Values that are taken at a time: parts begin where a vector does, or all are taken one by one. */
function lanesOf({ parts }: NormPartsVariant): ReturnType<typeof lanesOfWidth> {
  return lanesOfWidth(parts.every(({ width }) => width % 4 === 0) ? 4 : 1);
}

function partText(variant: NormPartsVariant, n: number): string {
  const { type, values } = lanesOf(variant);
  const { width, norm } = variant.parts[n] as NormPart;
  const loads = width / values;
  const start = variant.parts.slice(0, n).reduce((sum, part) => sum + part.width, 0) / values;
  const at = `xAt + ${start}u + k`;
  if (norm === undefined) return laneLoop(loads, LANES, `    y[${at}] = x[${at}];`);
  return `  var squares = ${type}(0.0);
${laneLoop(loads, LANES, `    let v = x[${at}];\n    squares += v * v;`)}
  let mean = rowSum(lane, ${values === 4 ? 'dot(squares, vec4<f32>(1.0))' : 'squares'}) * ${1 / width} + ${norm.eps};
  let factor = ${inverseRoot('mean')};
${laneLoop(loads, LANES, `    y[${at}] = x[${at}] * gain[${start}u + k] * factor;`)}`;
}

export function normPartsKernel(variant: NormPartsVariant): Kernel {
  const { parts } = variant;
  const { type, values } = lanesOf(variant);
  const bindings: readonly Binding[] = [
    { name: 'x', access: 'read', type: `array<${type}>` },
    { name: 'gain', access: 'read', type: `array<${type}>` },
    { name: 'y', access: 'write', type: `array<${type}>` },
    ...stepBindings(variant),
  ];
  const branches = parts.map((_, n) => `if (part == ${n}u) {\n${partText(variant, n)}\n  }`);
  return {
    key: kernelKey('norm-parts', variant),
    label: `norm-parts [${parts.map(({ width }) => width).join('+')}]`,
    wgsl: `${kernelHeader(bindings, {})}${stepStruct(variant)}${rowSumFunction(LANES)}@compute @workgroup_size(${LANES})
fn main(${MAIN_ARGUMENTS}) {
  let index = ${LINEAR_WORKGROUP};
  let row = index / ${parts.length}u;
  if (row >= ${rowsExpression(variant)}) { return; }
  let part = index - row * ${parts.length}u;
  let xAt = row * ${widthOf(variant) / values}u;
  ${branches.join(' else ')}
}
`,
    bindings,
    workgroupSize: LANES,
    needs: {},
  };
}

export function normPartsWorkgroups(variant: NormPartsVariant, rows: number): Workgroups {
  return linearWorkgroups(Math.max(1, rowsOf(variant, rows) * variant.parts.length));
}
