// The products of a token as gpu-kernels.mjs measures them: shapes of named models, weights of harmless random bits made on the
// GPU, and chains of dispatches in the order in which a token runs them. Needs dist/.
import { linearWorkgroups, LINEAR_WORKGROUP } from '../dist/gpu/kernel.js';
import { outputWidth, totalRows } from '../dist/gpu/linear-shape.js';
import { layOutMatrix, packedFormatOf } from '../dist/gpu/packed-layout.js';
import { q8CodeBytes, q8StatBytes } from '../dist/gpu/q8-layout.js';
import { takesInt8 } from '../dist/tensor/formats/weight-formats.js';

/** Sizes of the files that `ingot synth` writes. */
export const MODELS = {
  'qwen3-0.6b': { dim: 1024, heads: 16, kvHeads: 8, headDim: 128, ffnDim: 3072, layers: 28, vocab: 151936 },
  'qwen3-4b': { dim: 2560, heads: 32, kvHeads: 8, headDim: 128, ffnDim: 9728, layers: 36, vocab: 151936 },
  'llama-3.2-3b': { dim: 3072, heads: 24, kvHeads: 8, headDim: 128, ffnDim: 8192, layers: 28, vocab: 128256 },
  tiny: { dim: 256, heads: 4, kvHeads: 2, headDim: 64, ffnDim: 512, layers: 2, vocab: 1000 },
};

const EPS = 1e-6;

/** llama.cpp's rule for Q4_K_M: these layers have q6_k where the others have q4_k, in v and down. */
function hasMoreBits(layer, layers) {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= Math.floor((7 * layers) / 8) || (layer - eighth) % 3 === 2;
}

/**
 * The five products of a decode step, in order, each with one shape for every layer: with int8 activations, or for types of floats with
 * f32 ones.
 * @param weights a weight type, or `q4_k_m`
 */
export function productsOf({ dim, heads, kvHeads, headDim, ffnDim, layers, vocab }, weights) {
  const isMixed = weights === 'q4_k_m';
  const type = isMixed ? 'q4_k' : weights;
  if (!takesInt8(type)) return floatProducts({ dim, heads, kvHeads, headDim, ffnDim, layers, vocab }, type);
  const better = (layer) => (isMixed && hasMoreBits(layer, layers) ? 'q6_k' : type);
  const kvRows = kvHeads * headDim;
  const qkvParts = (layer) => (better(layer) === type ? [{ type, rows: heads * headDim + 2 * kvRows }] : [
    { type, rows: heads * headDim + kvRows }, { type: better(layer), rows: kvRows },
  ]);
  const shape = (rest) => ({
    norm: undefined, bias: false, gated: false, residual: false, rowCount: 'rows',
    outputs: { f32: true, q8: undefined }, ...rest,
  });
  const toResidual = { input: 'q8', residual: true, outputs: { f32: true, q8: { norm: { eps: EPS } } } };
  const perLayer = (make) => Array.from({ length: layers }, (_, layer) => shape(make(layer)));
  return [
    { name: 'qkv', x: 'normed', y: 'heads', shapes: perLayer((layer) => ({ cols: dim, parts: qkvParts(layer), input: 'q8n' })) },
    {
      name: 'o', x: 'attended', residual: 'hidden', y: 'middle', yRounded: 'normed',
      shapes: perLayer(() => ({ cols: heads * headDim, parts: [{ type, rows: dim }], ...toResidual })),
    },
    {
      name: 'gate+up', x: 'normed', yRounded: 'activated',
      shapes: perLayer(() => ({
        cols: dim, parts: [{ type, rows: 2 * ffnDim }], input: 'q8n', gated: 'silu',
        outputs: { f32: false, q8: { norm: undefined } },
      })),
    },
    {
      name: 'down', x: 'activated', residual: 'middle', y: 'hidden', yRounded: 'normed',
      shapes: perLayer((layer) => ({ cols: ffnDim, parts: [{ type: better(layer), rows: dim }], ...toResidual })),
    },
    {
      name: 'head', x: 'normed', y: 'logits',
      shapes: [shape({ cols: dim, parts: [{ type: isMixed ? 'q6_k' : type, rows: vocab }], input: 'q8n' })],
    },
  ];
}

/** The same where activations stay f32: norms are the products' own. */
function floatProducts({ dim, heads, kvHeads, headDim, ffnDim, layers, vocab }, type) {
  const norm = { eps: EPS };
  const shapes = (count, cols, rows, rest) => Array.from({ length: count }, () => ({
    norm: undefined, bias: false, gated: false, residual: false, outputs: { f32: true, q8: undefined }, input: 'f32', cols,
    parts: [{ type, rows }], ...rest,
  }));
  return [
    { name: 'qkv', x: 'hidden', y: 'heads', shapes: shapes(layers, dim, (heads + 2 * kvHeads) * headDim, { norm }) },
    { name: 'o', x: 'attended', residual: 'hidden', y: 'middle', shapes: shapes(layers, heads * headDim, dim, { residual: true }) },
    { name: 'gate+up', x: 'middle', y: 'activated', shapes: shapes(layers, dim, 2 * ffnDim, { norm, gated: 'silu' }) },
    { name: 'down', x: 'activated', residual: 'middle', y: 'hidden', shapes: shapes(layers, ffnDim, dim, { residual: true }) },
    { name: 'head', x: 'hidden', y: 'logits', shapes: shapes(1, dim, vocab, { norm }) },
  ];
}

export function weightBytes(shape) {
  return shape.parts.reduce(
    (sum, { type, rows }) => sum + layOutMatrix(packedFormatOf(type), rows, shape.cols).planes.reduce(
      (bytes, plane) => bytes + plane.sizeBytes, 0,
    ),
    0,
  );
}

/**
 * word = random & mask | pattern; every fourth word is `fourth` where that is not 0. Scales are about 2^-10, f32 values about 2^-7, codes
 * that are floats below 2.
 */
const FILLS = {
  codes: { mask: 0xffffffff, pattern: 0, fourth: 0 },
  e4m3: { mask: 0xbfbfbfbf, pattern: 0, fourth: 0 },
  scales: { mask: 0x80008000, pattern: 0x14001400, fourth: 0 },
  bf16: { mask: 0x80008000, pattern: 0x3a803a80, fourth: 0 },
  f32: { mask: 0x807fffff, pattern: 0x3a800000, fourth: 0 },
  exponents: { mask: 0x01010101, pattern: 0x74747474, fourth: 0 },
  ue4m3: { mask: 0x07070707, pattern: 0, fourth: 0 },
  metas: { mask: 0xffffffff, pattern: 0, fourth: 0x14001400 },
  xs: { mask: 0xffff8000, pattern: 0x00001400, fourth: 0 },
  floats: { mask: 0x007fffff, pattern: 0x3c000000, fourth: 0 },
};

/** The fill of a plane of a packed format. */
export function fillOf(format, { name }) {
  if (format.kind === 'floats') return format.type === 'f32' ? 'floats' : format.type === 'bf16' ? 'bf16' : 'scales';
  if (name === 'metas') return format.scale === 'xs' ? 'xs' : 'metas';
  if (name === 'codes' && format.meaning === 'e4m3') return 'e4m3';
  if (name !== 'scales' && name !== 'pairs') return 'codes';
  const { format: scale } = format.layout.scale;
  return { f16: 'scales', bf16: 'bf16', f32: 'f32', e8m0: 'exponents', e8m0Half: 'exponents', ue4m3Half: 'ue4m3' }[scale];
}

const FILL_INVOCATIONS = 256;
const FILL_WORDS = 16;

function fillKernel() {
  const bindings = [{ name: 'words', access: 'write', type: 'array<u32>' }, { name: 'fill', access: 'uniform', type: 'vec4<u32>' }];
  const wgsl = `@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<uniform> fill: vec4<u32>;
@compute @workgroup_size(${FILL_INVOCATIONS})
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  for (var i = 0u; i < ${FILL_WORDS}u; i++) {
    let at = (${LINEAR_WORKGROUP} * ${FILL_WORDS}u + i) * ${FILL_INVOCATIONS}u + lane;
    if (at >= arrayLength(&words)) { return; }
    var hash = (at ^ fill.w) * 747796405u + 2891336453u;
    hash = ((hash >> ((hash >> 28u) + 4u)) ^ hash) * 277803737u;
    words[at] = select((((hash >> 22u) ^ hash) & fill.x) | fill.y, fill.z, fill.z != 0u && (at & 3u) == 0u);
  }
}`;
  return { key: 'fill', label: 'fill', wgsl, bindings, workgroupSize: FILL_INVOCATIONS, workgroupBytes: 0, needs: {} };
}

/** Makes buffers and fills them on the GPU; one seed a buffer. */
export async function createFiller(gpu, pipelines) {
  const { pipeline, layout } = await pipelines.get(fillKernel());
  const { device, queue } = gpu;
  const buffers = [];
  const create = (label, size, usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC) => {
    const buffer = gpu.createBuffer({ label, size, usage });
    buffers.push(buffer);
    return buffer;
  };
  const uniforms = new Map(Object.values(FILLS).map((fill, seed) => {
    const uniform = create('fill', 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    queue.writeBuffer(uniform, 0, Uint32Array.of(fill.mask, fill.pattern, fill.fourth, seed * 7919));
    return [fill, uniform];
  }));
  return {
    create,
    /** @param ranges { offset, sizeBytes, fill: name of a fill }[] */
    filled(label, sizeBytes, ranges) {
      const buffer = create(label, sizeBytes);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      for (const { offset, sizeBytes: size, fill } of ranges) {
        const entries = [
          { buffer, offset, size }, { buffer: uniforms.get(FILLS[fill]) },
        ].map((resource, binding) => ({ binding, resource }));
        pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
        pass.dispatchWorkgroups(...linearWorkgroups(Math.ceil(size / 4 / (FILL_INVOCATIONS * FILL_WORDS))));
      }
      pass.end();
      queue.submit([encoder.finish()]);
      return buffer;
    },
    destroy: () => buffers.forEach((buffer) => buffer.destroy()),
  };
}

/** Activations that the products hand to each other, by name; `rows` rows each. */
export function createActivations(filler, products, rows) {
  const buffers = {};
  const add = (name, sizeBytes, fill) => {
    buffers[name] ??= filler.filled(name, Math.ceil(sizeBytes / 16) * 16, [{ offset: 0, sizeBytes: Math.ceil(sizeBytes / 16) * 16, fill }]);
  };
  const rounded = (name, width) => {
    add(`${name}Codes`, q8CodeBytes(rows, width), 'codes');
    add(`${name}Stats`, q8StatBytes(rows, width), 'floats');
  };
  for (const { x, y, residual, yRounded, shapes: [shape] } of products) {
    const width = outputWidth(shape);
    if (shape.input === 'f32') add(x, 4 * rows * shape.cols, 'floats');
    else rounded(x, shape.cols);
    if (shape.norm) add('gain', 4 * shape.cols, 'floats');
    if (yRounded) rounded(yRounded, width);
    if (y) add(y, 4 * rows * width, 'floats');
    if (residual) add(residual, 4 * rows * width, 'floats');
    if (shape.outputs.q8?.norm) add('gain', 4 * width, 'floats');
  }
  buffers.step = filler.create('step', 16, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  return buffers;
}

/** Buffers of one layer's product by binding name; its weights are its own. */
export function bindProduct(filler, activations, product, shape) {
  const { x, y, residual, yRounded, name } = product;
  const whole = (buffer) => ({ buffer });
  const input = shape.input === 'f32'
    ? { x: whole(activations[x]) } : { xCodes: whole(activations[`${x}Codes`]), xStats: whole(activations[`${x}Stats`]) };
  const gain = activations.gain && whole(activations.gain);
  const bound = { step: whole(activations.step), ...input, gain, yGain: gain };
  if (y) bound.y = whole(activations[y]);
  if (residual) bound.residual = whole(activations[residual]);
  if (yRounded) Object.assign(bound, { yCodes: whole(activations[`${yRounded}Codes`]), yStats: whole(activations[`${yRounded}Stats`]) });
  shape.parts.forEach(({ type, rows }, n) => {
    const { planes, sizeBytes } = layOutMatrix(packedFormatOf(type), rows, shape.cols);
    const buffer = filler.filled(
      `${name} ${type} [${totalRows(shape)}, ${shape.cols}]`, sizeBytes,
      planes.map((plane) => ({ ...plane, fill: fillOf(packedFormatOf(type), plane) })),
    );
    for (const { name: plane, offset, sizeBytes: size } of planes) bound[`p${n}_${plane}`] = { buffer, offset, size };
  });
  return bound;
}
