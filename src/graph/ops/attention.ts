/** Attention over a sequence's stored keys and values. */
import type { OpRules, OpSink, ShapeCheck } from '../op-rules.ts';
import { stateName } from '../state.ts';
import type { PagedState } from '../state.ts';
import type { Value, WeightRef } from '../value.ts';

/** How scores are made of queries and keys, and weights of scores. */
export interface Scores {
  /** Factor of a query's product with a key. */
  readonly scale: number;
  /** A score s becomes softcap * tanh(s / softcap), before what is not seen is left out (Gemma 2). */
  readonly softcap?: number | undefined;
  /**
   * [heads]: a score of each head that joins its softmax and has no value, so that weights sum to less than 1 (gpt-oss).
   * Neither scaled nor capped.
   */
  readonly sinks?: WeightRef | undefined;
  /** Queries are multiplied by a factor of their position (Ministral 3). */
  readonly temperature?: QueryTemperature | undefined;
}

/** The query at position p is multiplied by 1 + beta * ln(1 + floor(p / length)). */
export interface QueryTemperature {
  readonly beta: number;
  readonly length: number;
}

/**
 * Writes k and v of every row into `state` at its position, then softmax(q k^T * scale) v over the positions of its
 * sequence that the row sees. Query head h reads key head floor(h / (heads / state.heads)).
 * Inputs: q [rows, heads * keyDim], k [rows, state.heads * keyDim], v [rows, state.heads * valueDim], positions [rows].
 * Output [rows, heads * valueDim].
 */
export interface AttentionOp extends Scores {
  readonly kind: 'attention';
  readonly heads: number;
  readonly state: PagedState;
  /**
   * True: a row sees positions up to its own. False: it sees every position that the state holds after the step, so that rows which are to
   * see each other must come in one step.
   */
  readonly causal: boolean;
  /**
   * How far a row sees; undefined: all that `causal` lets it. Causal, it is the state's own window, and a row at position p sees the
   * positions above p - window, itself among them. Not causal, the state has none and the window lies on both sides: positions at most
   * floor(window / 2) from p.
   */
  readonly window: number | undefined;
  /**
   * How many positions its rows lie behind those of the run's sequences: a graph may make several positions of a sequence one after
   * another, a row of it each. 0 where the graph makes one.
   */
  readonly ahead: number;
}

/** What a printed attention op says of the positions that its rows see; nothing where those are 0..own. */
export function visibility({ causal, window }: Pick<AttentionOp, 'causal' | 'window'>): string {
  return `${window === undefined ? '' : ` window=${window}`}${causal ? '' : ' bidirectional'}`;
}

/** What a printed op says of its scores beside their scale; nothing where those are plain. */
export function scoring({ softcap, sinks, temperature }: Scores): string {
  return [
    ...(softcap === undefined ? [] : [` softcap=${softcap}`]),
    ...(sinks === undefined ? [] : [` sinks=${sinks.id}`]),
    ...(temperature === undefined ? [] : [` temperature=${temperature.beta}/${temperature.length}`]),
  ].join('');
}

/** `causal` is true and `ahead` 0 where they are not given; `window` is the state's where rows are causal. */
export interface AttentionFields extends Scores, Pick<AttentionOp, 'heads' | 'state'> {
  readonly positions: Value;
  readonly causal?: boolean | undefined;
  readonly window?: number | undefined;
  readonly ahead?: number | undefined;
}

/** @throws Error where the scores' weights do not fit `heads` */
export function checkScores({ softcap, sinks, temperature }: Scores, heads: number, check: ShapeCheck): void {
  if (softcap !== undefined && !(softcap > 0)) check.fail('a softcap above 0', String(softcap));
  if (sinks !== undefined) check.shape(`sinks ${sinks.id}`, sinks.shape, [heads]);
  if (temperature !== undefined && !(temperature.length >= 1)) check.fail('a temperature length of 1 or more', String(temperature.length));
}

/** `qkv`: queries, keys and values of the new rows. */
export function attention(g: OpSink<AttentionOp>, name: string, qkv: readonly [Value, Value, Value], fields: AttentionFields): Value {
  const { positions, causal = true, window = fields.state.window, ahead = 0, ...op } = fields;
  return g.op(name, { kind: 'attention', ...op, causal, window, ahead }, [...qkv, positions]);
}

export const attentionRules: OpRules<AttentionOp> = {
  weights: ({ sinks }) => (sinks === undefined ? [] : [sinks]),
  states: ({ state }) => [state],
  follows({ state, ahead }, before, check) {
    const written = before.filter((op) => op.kind === 'attention' && op.state === state).length;
    if (written === ahead) return;
    if (ahead === 0) check.fail('a state of its own', `${stateName(state)}, which an attention before it writes`);
    check.fail(`${ahead} attentions before it that write the positions before its own`, String(written));
  },
  shape({ heads, state, causal, window, ahead, ...scores }, [q, k, v, positions], check) {
    const { outer } = check.rowsOf(q);
    if (heads % state.heads !== 0) check.fail('heads to be a multiple of the key heads', `${heads} and ${state.heads}`);
    if (state.memory) check.fail('a state of its own rows', `the memory ${stateName(state)}`);
    check.shape('q', q?.shape ?? [], [outer, heads * state.keyDim]);
    check.shape('k', k?.shape ?? [], [outer, state.heads * state.keyDim]);
    check.shape('v', v?.shape ?? [], [outer, state.heads * state.valueDim]);
    check.shape('positions', positions?.shape ?? [], [outer]);
    checkScores(scores, heads, check);
    if (ahead > 0 && !causal) check.fail('rows that see no position behind their own', `some that lie ${ahead} behind`);
    if (state.window !== (causal ? window : undefined))
      check.fail(`a state with ${causal ? `the window ${window}` : 'no window, as rows see what follows them'}`, String(state.window));
    return [outer, heads * state.valueDim];
  },
  print: (op) =>
    `heads=${op.heads} state=${stateName(op.state)}${op.ahead === 0 ? '' : ` ahead=${op.ahead}`}${visibility(op)}${scoring(op)}`,
};
