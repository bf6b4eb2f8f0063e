import type { AddOp } from '../../graph/ops/add.ts';
import type { CpuOpRules, Lower } from '../cpu-op-rules.ts';
import { writeRows } from '../cpu-op-rules.ts';

export const addRules: CpuOpRules<AddOp> = { code: 6, describe: () => '', write: writeRows };

export const lowerAdd: Lower<AddOp, AddOp> = ({ op }) => ({ op });
