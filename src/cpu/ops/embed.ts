import type { EmbedOp } from '../../graph/ops/embed.ts';
import { shownWeight } from '../../graph/weight-lookup.ts';
import { rowsAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import type { CpuValue } from '../cpu-value.ts';

export const embedRules: CpuOpRules<EmbedOp> = {
  code: 1,
  describe: ({ weight, scale }, typeOf) => `${shownWeight(weight, typeOf)}${scale === 1 ? '' : ` scale=${scale}`}`,
  write(out, { op, inputs, outputs }, at) {
    const { typeCode, address, rowBytes } = at.matrix(op.weight.id);
    out.ints(
      at.rowsOf(inputs[0] as CpuValue).address,
      typeCode,
      address,
      rowBytes,
      op.weight.shape[1] as number,
    );
    out.float(op.scale);
    out.ints(...rowsAt(at, outputs[0]));
  },
};

export const lowerEmbed: Lower<EmbedOp, EmbedOp> = ({ op }) => ({ op });
