/** Which rotary tables a graph reads, and at the positions of which input. */
import type { Graph } from './graph.ts';
import type { RopeTable } from './ops/rope.ts';
import type { Value } from './value.ts';

/** The angles of one table at the positions of one input. */
export interface Rotation {
  readonly table: RopeTable;
  /** Name of the input that holds the positions. */
  readonly input: string;
  /** Name of the input that is added to them. */
  readonly shift: string | undefined;
}

/** @throws Error for positions that are no input, and for two tables of one name */
export function rotationsOf(graph: Graph): readonly Rotation[] {
  const found = new Map<string, Rotation>();
  for (const { op, inputs, label } of graph.nodes) {
    if (op.kind !== 'rope') continue;
    const [, positions, shift] = inputs as readonly [Value, Value, Value?];
    for (const [what, value] of [['positions', positions], ['shift', shift]] as const)
      if (value !== undefined && graph.inputs.get(value.label) !== value)
        throw new Error(`graph ${graph.name}: the ${what} of ${label} must be an input`);
    const key = `${op.table.id} ${positions.label} ${shift?.label ?? ''}`;
    const known = found.get(key);
    if (known !== undefined && known.table !== op.table) throw new Error(`graph ${graph.name}: two rope tables are called ${op.table.id}`);
    found.set(key, { table: op.table, input: positions.label, shift: shift?.label });
  }
  return [...found.values()];
}
