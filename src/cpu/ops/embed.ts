import type { EmbedOp } from '../../graph/ops/embed.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { CapacityError } from '../../tensor/errors.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const embedRules: CpuOpRules<EmbedOp> = {
  code: 1,
  describe: ({ weight }, typeOf) => shownWeight(weight, typeOf),
  write(out, { op, inputs, outputs }, at) {
    const { typeCode, address, rowBytes } = at.matrix(op.weight.id);
    out.ints(
      at.rowsOf(inputs[0] as CpuValue).address,
      typeCode,
      address,
      rowBytes,
      op.weight.shape[1] as number,
      ...rowsAt(at, outputs[0]),
    );
  },
};

export const lowerEmbed: Lower<EmbedOp, EmbedOp> = ({ op, label }) => {
  if (op.scale !== 1) throw new CapacityError(`The CPU has no kernel for scaled embeddings, which ${label} asks for.`);
  return { op };
};
