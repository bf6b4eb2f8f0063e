/** The sampler of a program: its kernels for each kind of settings, the buffers they share, and how their tokens are read. */
import type { DecodeRequest } from '../../graph/executor.ts';
import type { SamplingSettings } from '../../graph/sampling.ts';
import { FormatError } from '../../tensor/errors.ts';
import type { GpuDevice } from '../device/gpu-device.ts';
import { STORAGE_USAGE } from '../device/gpu-device.ts';
import { RING_SIZE, samplerKindOf, samplerScratchSizes, samplerVariantOf } from '../sampling/sampler-kinds.ts';
import type { SamplerKind, SamplerShape } from '../sampling/sampler-kinds.ts';
import { samplerSteps } from '../sampling/sampler-steps.ts';
import { SAMPLING_BYTES, samplingRecord, STATUS_BAD_LOGITS, tokenCounts } from '../sampling/sampling-record.ts';
import type { Dispatch, PipelineMap } from './bound-plan.ts';
import type { ReadRange } from './read-back.ts';

export interface TokenSampler {
  readonly sizeBytes: number;
  /** Enqueues the writes for a run of tokens. */
  begin(settings: SamplingSettings, history: DecodeRequest['history']): void;
  /** What chooses one token by the settings of {@link begin}. */
  dispatches(): readonly Dispatch[];
  /** To be read after a submit, for {@link tokensOf}. */
  readonly results: readonly ReadRange[];
  /** The last `count` tokens, from what was read. @throws FormatError where logits were of no use */
  tokensOf(results: readonly ArrayBuffer[], count: number): readonly number[];
}

export interface TokenSamplerOptions extends SamplerShape {
  readonly gpu: GpuDevice;
  readonly pipelines: PipelineMap;
  readonly logits: GPUBuffer;
  /** Inputs of the step that takes the token. */
  readonly inputs: { readonly tokens: GPUBuffer; readonly positions: GPUBuffer };
}

export function createTokenSampler(options: TokenSamplerOptions): TokenSampler {
  const { gpu, pipelines, vocab, logits, inputs } = options;
  const sizes = new Map([
    ['ring', RING_SIZE * 4],
    ['control', 16],
    ['sampling', SAMPLING_BYTES],
    ['counts', vocab * 4],
    ...samplerScratchSizes(options),
  ]);
  const own = new Map([...sizes].map(([name, size]) => [name, gpu.createBuffer({ label: `sampler ${name}`, size, usage: STORAGE_USAGE })]));
  const buffers: ReadonlyMap<string, GPUBuffer> = new Map([
    ...own,
    ['logits', logits],
    ['tokens', inputs.tokens],
    ['positions', inputs.positions],
  ]);
  const bufferOf = (name: string): GPUBuffer => {
    const buffer = buffers.get(name);
    if (buffer === undefined) throw new Error(`sampler: no buffer for ${name}`);
    return buffer;
  };
  const bind = (kind: SamplerKind): readonly Dispatch[] =>
    samplerSteps(samplerVariantOf(options, kind)).map(({ kernel, workgroups }) => {
      const compiled = pipelines.get(kernel.key);
      if (compiled === undefined) throw new Error(`sampler: ${kernel.label} was not compiled`);
      const entries = kernel.bindings.map(({ name }, binding) => ({ binding, resource: { buffer: bufferOf(name) } }));
      const group = gpu.device.createBindGroup({ label: kernel.label, layout: compiled.layout, entries });
      return { label: kernel.label, bound: { pipeline: compiled.pipeline, group }, workgroups: () => workgroups };
    });
  const bound = new Map<string, readonly Dispatch[]>();
  let current: readonly Dispatch[] = [];
  return {
    sizeBytes: [...own.values()].reduce((sum, { size }) => sum + size, 0),
    results: [{ buffer: bufferOf('ring'), sizeBytes: RING_SIZE * 4 }, { buffer: bufferOf('control'), sizeBytes: 8 }],
    begin(settings, { promptIds, outputIds }) {
      const kind = samplerKindOf(settings);
      const key = `${kind.mode} ${kind.penalties}`;
      current = bound.get(key) ?? bind(kind);
      bound.set(key, current);
      gpu.queue.writeBuffer(bufferOf('control'), 0, new Uint32Array(4));
      gpu.queue.writeBuffer(bufferOf('sampling'), 0, samplingRecord(settings, promptIds.length));
      if (kind.penalties) gpu.queue.writeBuffer(bufferOf('counts'), 0, tokenCounts({ vocab, promptIds, outputIds }));
    },
    dispatches: () => current,
    tokensOf([ringBytes, controlBytes], count) {
      const ring = new Uint32Array(ringBytes as ArrayBuffer);
      const [written = 0, status = 0] = new Uint32Array(controlBytes as ArrayBuffer);
      if ((status & STATUS_BAD_LOGITS) !== 0) throw badLogits();
      return Array.from({ length: count }, (_, i) => ring[(written - count + i) % RING_SIZE] as number);
    },
  };
}

function badLogits(): FormatError {
  return new FormatError(
    'The model computed no usable scores: a logit is NaN or infinite, or none is finite. Its weights or activations overflow; ' +
      'check the file (ingot eval on the reference device tells a damaged file from an arithmetic that is too narrow).',
  );
}
