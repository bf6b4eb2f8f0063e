import type { RouteOp } from '../../graph/ops/route.ts';
import { widthOf } from '../../graph/value.ts';
import type { CpuValue } from '../cpu-value.ts';
import { rowsAt, vectorAt } from '../cpu-op-rules.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';

/** A thread holds scores and keys of a row there, and which experts are chosen. */
export function routeScratchBytes(experts: number): number {
  return 2 * 4 * (experts + 3) + experts;
}

export const routeRules: CpuOpRules<RouteOp> = {
  code: 20,
  describe({ used, scores, selectionBias, normalise, expertScale }) {
    const parts = [selectionBias && ' +bias', normalise && ' normalise', expertScale && ' factors'].filter((part) => part !== undefined);
    return `used=${used} ${scores}${parts.join('')}`;
  },
  write(out, { op, inputs, outputs }, at) {
    const { used, scores, selectionBias, normalise, scale, expertScale } = op;
    out.ints(...rowsAt(at, inputs[0]), widthOf(inputs[0] as CpuValue), used, scores === 'sigmoid' ? 1 : 0);
    out.ints(vectorAt(at, selectionBias), normalise === undefined ? 0 : 1);
    out.float(normalise?.eps ?? 0);
    out.float(scale);
    out.ints(vectorAt(at, expertScale), ...rowsAt(at, outputs[0]));
  },
};

export const lowerRoute: Lower<RouteOp, RouteOp> = ({ op }) => ({ op });
