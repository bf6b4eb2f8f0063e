import type { SoftcapOp } from '../../graph/ops/softcap.ts';
import type { RunOp } from '../op-run.ts';

export const runSoftcap: RunOp<SoftcapOp> = ({ cap }, [x], run) => run.floats(x).map((value) => cap * Math.tanh(value / cap));
