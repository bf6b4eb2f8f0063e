/** Rules for rows of tables: sums of several as one step, and the row of what was chosen with the choice. */
import { isPrivate, isStep } from '../../graph/patterns.ts';
import type { FusionContext, FusionRule } from '../../graph/plan.ts';
import { widthOf } from '../../graph/value.ts';
import type { EmbedOp } from '../ops/embed.ts';
import type { EmbedTablesOp } from '../ops/embed-tables.ts';
import type { GpuOp, GpuStep } from '../ops/index.ts';
import { layOutMatrix, packedFormatOf } from '../packed-layout.ts';
import type { DeviceChoices } from './device-limits.ts';
import type { GpuValue } from './gpu-value.ts';
import { matricesFor, matrixOf } from './planned-weights.ts';
import { comesFrom } from './sum-product.ts';

type Context = FusionContext<GpuOp, GpuValue>;
type Rule = FusionRule<GpuOp, GpuValue>;

/** The step whose rows an embedding adds, all of them and nothing else. */
function addedRows({ op, inputs: [, base] }: { readonly op: EmbedOp; readonly inputs: readonly GpuValue[] }, context: Context) {
  if (op.base === undefined || base === undefined || !isPrivate(base, context)) return undefined;
  return op.base.start === 0 && op.base.of === widthOf(base) ? context.producerOf(base) : undefined;
}

/** The tables of a step that does no more than look up one or some. */
function tablesOf(step: GpuStep | undefined): Pick<EmbedTablesOp, 'tables' | 'scale'> | undefined {
  if (isStep(step, 'embedTables')) return step.op;
  if (!isStep(step, 'embed') || step.op.base !== undefined || step.op.rounding !== undefined) return undefined;
  return { tables: [step.op.weight], scale: step.op.scale };
}

/** A row of a table and the sum of rows of tables of its shape and type, as rows of one matrix. */
export function embedTables({ check, options }: DeviceChoices): Rule {
  return {
    name: 'embed-tables',
    match(step, context) {
      if (!isStep(step, 'embed') || step.op.rounding !== undefined) return undefined;
      const before = addedRows(step, context);
      const first = tablesOf(before);
      if (before === undefined || first === undefined) return undefined;
      const { weight, scale } = step.op;
      const tables = [...first.tables, weight];
      const [vocab, width] = weight.shape as readonly [number, number];
      const { typeOf, profile } = options;
      const isAlike = tables.every(({ id, shape }) => shape[0] === vocab && shape[1] === width && typeOf(id) === typeOf(weight.id));
      const areOthers = first.tables.every(({ id }) => id !== weight.id);
      if (!isAlike || !areOthers || first.scale !== scale || width % 4 !== 0) return undefined;
      const { type, rows, cols } = matrixOf(tables, 'rows', typeOf);
      if (layOutMatrix(packedFormatOf(type), rows, cols).sizeBytes > profile.maxBufferBindingBytes) return undefined;
      const by: GpuStep = {
        op: { kind: 'embedTables', tables, scale }, inputs: [...before.inputs, step.inputs[0] as GpuValue], outputs: step.outputs,
        label: step.label,
      };
      return check(by) === undefined ? { replaced: [before, step], by } : undefined;
    },
  };
}

/** What was chosen, and its row of a table with what is added to that. */
export function chooseEmbed({ check, options }: DeviceChoices): Rule {
  return {
    name: 'choose-embed',
    match(step, context) {
      if (!isStep(step, 'embed') || step.op.rounding !== undefined || step.op.scale !== 1) return undefined;
      const [token, base] = step.inputs as readonly [GpuValue, GpuValue?];
      const choice = context.producerOf(token);
      if (!isStep(choice, 'choose') || choice.op.row !== undefined || widthOf(step.outputs[0] as GpuValue) % 4 !== 0) return undefined;
      if (matricesFor([step.op.weight], options).length > 1 || (base !== undefined && comesFrom(base, choice, context))) return undefined;
      const by: GpuStep = {
        op: { ...choice.op, row: { weight: step.op.weight, base: step.op.base } },
        inputs: [...choice.inputs, ...(base ? [base] : [])], outputs: [...choice.outputs, ...step.outputs], label: choice.label,
      };
      return check(by) === undefined ? { replaced: [choice, step], by } : undefined;
    },
  };
}
