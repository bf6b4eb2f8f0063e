/** How much tokens attend to each position of a sound that was heard: runs of a model's aligner (`AlignerNames`). */
import type { DimSizes } from '../graph/dims.ts';
import type { Program, StatePlace } from '../graph/executor.ts';
import { graphOf } from '../graph/model-graphs.ts';
import type { AlignerNames, ModelGraphs } from '../graph/model-graphs.ts';
import type { CancelSignal } from '../tensor/platform.ts';

/** Tokens of a run: each has a row of as many weights as the sound has positions, for each head. */
const RUN_ROWS = 32;

/** What a program is loaded with for its aligner, if it has one. */
export function alignerSizes({ aligner }: ModelGraphs): DimSizes {
  return aligner === undefined ? {} : { [aligner.rows]: RUN_ROWS };
}

export interface AlignRequest {
  readonly tokens: ArrayLike<number>;
  readonly place: StatePlace;
  /** Positions that the sound left. */
  readonly memory: number;
  readonly signal?: CancelSignal | undefined;
}

/** @returns by head, in the order of the layers: [tokens, memory]. @throws Error for a model without an aligner */
export async function alignTokens(program: Program, { tokens, place, memory, signal }: AlignRequest): Promise<Float32Array[]> {
  const { model } = program;
  const names = model.aligner;
  if (names === undefined) throw new Error(`model ${model.name}: it has no aligner`);
  const outputs = [...graphOf(model, names.graph).outputs.keys()];
  const positions = positionsOf(model, names);
  const heads: Float32Array[] = [];
  for (let start = 0; start < tokens.length; start += RUN_ROWS) {
    signal?.throwIfAborted();
    const own = Array.from({ length: Math.min(RUN_ROWS, tokens.length - start) }, (_, i) => tokens[start + i] as number);
    const [found] = await program.run([{
      graph: names.graph, dims: { [names.rows]: own.length },
      inputs: { [names.tokens]: own, [names.positions]: Int32Array.from(own, (_, i) => start + i) },
      sequences: [{ rows: own.length, start, memory, ...place }],
      wanted: outputs,
    }]);
    let head = 0;
    for (const output of outputs) {
      const values = found!.get(output)!;
      const taken = values.length / own.length / positions;
      for (let index = 0; index < taken; index++, head++) {
        heads[head] ??= new Float32Array(tokens.length * memory);
        for (let row = 0; row < own.length; row++) {
          const from = (row * taken + index) * positions;
          heads[head]!.set(values.subarray(from, from + memory), (start + row) * memory);
        }
      }
    }
  }
  return heads;
}

/** Weights that each head's row has: the most positions that a sound leaves. */
function positionsOf(model: ModelGraphs, { graph }: AlignerNames): number {
  const { nodes } = graphOf(model, graph);
  for (const { op } of nodes) if (op.kind === 'memoryWeights') return op.positions;
  throw new Error(`model ${model.name}: its graph ${graph} makes no weights`);
}
