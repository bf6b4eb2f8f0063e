/** Plans of real models' shapes, without files. */
import { kvLayoutOf } from '../engine/model-room.ts';
import { planModel } from '../gpu/plan/model-plan.ts';
import type { ModelPlan, ModelPlanOptions } from '../gpu/plan/model-plan.ts';
import type { Graph } from '../graph/graph.ts';
import { modelOfDecoder } from '../graph/model-graphs.ts';
import type { ModelGraphs } from '../graph/model-graphs.ts';
import type { DecoderConfig } from '../models/decoder-config.ts';
import { ggufTensors } from '../models/gguf-tensors.ts';
import { tensorTypes } from '../models/gguf-mixes.ts';
import type { ExportType } from '../models/gguf-mixes.ts';
import { ARCHITECTURES } from '../models/open-decoder.ts';
import { synthPlan } from '../models/synth-shapes.ts';
import type { SynthModel } from '../models/synth-shapes.ts';
import type { WeightType } from '../tensor/tensor-type.ts';

export interface ShapeOptions extends Pick<ModelPlanOptions, 'profile' | 'withoutRules'> {
  readonly model: SynthModel;
  readonly type: ExportType;
  /** Changes to the model's sizes. Default: two layers, the second of which Q4_K_M makes more precise. */
  readonly config?: Partial<DecoderConfig>;
}

export function planOfShape({ model, type, config: changes, profile, withoutRules }: ShapeOptions): ModelPlan {
  const config: DecoderConfig = { ...synthPlan(model, 'q4_0').config, layers: 2, ...changes };
  const architecture = ARCHITECTURES.find(({ gguf }) => gguf === config.architecture);
  if (architecture === undefined) throw new Error(`no architecture ${config.architecture}`);
  const tensors = ggufTensors(architecture.weights(config), model);
  const fileTypes = tensorTypes(tensors, type, config);
  const types = new Map(tensors.flatMap(({ weights }, n) => weights.map((id) => [id, fileTypes[n] as WeightType] as const)));
  const typeOf = (id: string) => {
    const found = types.get(id);
    if (found === undefined) throw new Error(`no weight ${id}`);
    return found;
  };
  return planModel({
    model: architecture.graphs(config, { contextLength: 4096, constants: new Map() }),
    typeOf,
    profile,
    withoutRules,
    kv: kvLayoutOf(4096, { type: type === 'f32' ? 'f32' : 'f16' }),
    sizes: { rows: profile.prefillRows },
  });
}

export interface GraphPlanChoices extends Pick<ModelPlanOptions, 'profile' | 'withoutRules'> {
  readonly graph: Graph | ModelGraphs;
  /** Of the matrices; vectors and convolutions are of floats. */
  readonly type: WeightType;
  /** Of each weight, in place of that. */
  readonly typeOf?: ((id: string) => WeightType) | undefined;
}

/** The plan of a decoder's graph, or of a model. */
export function planOfGraph({ graph, type, profile, withoutRules, typeOf = () => type }: GraphPlanChoices): ModelPlan {
  const model = 'graphs' in graph ? graph : modelOfDecoder(graph);
  const vectors = new Set(model.weights.filter(({ id, shape }) => shape.length === 1 || id.endsWith('.convolution')).map(({ id }) => id));
  return planModel({
    model, profile, withoutRules,
    typeOf: (id) => (vectors.has(id) ? 'f32' : typeOf(id)),
    kv: kvLayoutOf(4096, { type: 'f16' }),
    sizes: { rows: profile.prefillRows },
  });
}
