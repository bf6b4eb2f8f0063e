/** Parts of LFM2-Audio on an executor, against what Liquid AI's reference computes (../shared/golden/lfm2_audio). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { featuresOfSound } from '../src/engine/talk/hear-sound.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor, GraphRun, Program } from '../src/graph/executor.ts';
import { conformerInputs, CONFORMER } from '../src/models/conformer.ts';
import { CODEBOOKS } from '../src/models/lfm2-audio-config.ts';
import type { Lfm2AudioConfig } from '../src/models/lfm2-audio-config.ts';
import { codeName, SPECTRA_PER_FRAME, TALK } from '../src/models/lfm2-audio-graphs.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { locate } from '../src/node/open-path.ts';
import { createReferenceExecutor } from '../src/reference/reference-executor.ts';
import type { Checkpoint, TensorEntry } from '../src/tensor/checkpoint.ts';
import { randomSource } from '../src/tensor/codec/random-weights.ts';
import { f32Of, fixturesPath, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { entryOf } from './memory-checkpoint.ts';
import { expectClose } from './relative-error.ts';

export const LFM2_AUDIO_FOLDER = `${sharedPath}/golden/lfm2_audio`;
export const LFM2_AUDIO_GOLDEN = 'golden/lfm2_audio/golden.json';

export type PromptPart =
  | { readonly text: readonly number[] }
  | { readonly audio_in: number; readonly positions: number }
  | { readonly audio_out: readonly (readonly number[])[] };

export interface Lfm2AudioGolden {
  readonly prompts: Readonly<Record<string, readonly PromptPart[]>>;
  readonly audio_vocab: number;
  readonly generation: Readonly<Record<string, {
    readonly kind: 'interleaved' | 'sequential';
    readonly max_new_tokens: number;
    readonly flow: string;
    readonly stopped_by_im_end: boolean;
    readonly events: readonly ({ readonly text: number } | { readonly audio: readonly number[] })[];
  }>>;
}

export function readLfm2AudioGolden() {
  const golden = JSON.parse(readFileSync(`${LFM2_AUDIO_FOLDER}/golden.json`, 'utf8')) as Lfm2AudioGolden;
  const tensors = readFixtureTensors(`${LFM2_AUDIO_FOLDER}/golden.safetensors`);
  const ints = (name: string) => {
    const { bytes } = tensors.get(name)!;
    return new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  };
  return { golden, of: (name: string) => f32Of(tensors, name), ints };
}

const ROWS = 64;
const PAGE_TOKENS = 16;

export interface Lfm2AudioSource {
  /** The golden's folder, or a file made of it. */
  readonly path?: string;
  /** The depth transformer has heads of 8 values, where the golden has 6 (GPUs take multiples of 4), and random weights in them. */
  readonly hasWideHeads?: boolean;
}

export async function openLfm2Audio({ path = LFM2_AUDIO_FOLDER, hasWideHeads = false }: Lfm2AudioSource): Promise<Checkpoint> {
  const checkpoint = await openCheckpoint(await locate(path));
  return hasWideHeads ? withWideHeads(checkpoint) : checkpoint;
}

function withWideHeads(checkpoint: Checkpoint): Checkpoint {
  const random = randomSource(7);
  const [dim, headDim, kvHeads] = [48, 8, 2];
  const made = (name: string, shape: readonly number[], size: number, from: number): [string, TensorEntry] => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => from + (random() - 0.5) * size);
    return [name, entryOf(name, { shape, bytes: new Uint8Array(values.buffer) })];
  };
  const tensors = [0, 1].flatMap((n) => {
    const at = `depthformer.layers.${n}.operator`;
    return [
      made(`${at}.qkv_proj.weight`, [dim + 2 * kvHeads * headDim, dim], 0.6, 0),
      made(`${at}.bounded_attention.q_layernorm.weight`, [headDim], 0.5, 1.5),
      made(`${at}.bounded_attention.k_layernorm.weight`, [headDim], 0.5, 1.5),
    ];
  });
  return { ...checkpoint, tensors: new Map([...checkpoint.tensors, ...tensors]) };
}

export interface LoadedLfm2Audio {
  readonly program: Program;
  readonly config: Lfm2AudioConfig;
}

export async function loadLfm2Audio(executor: Executor, source: Lfm2AudioSource = {}): Promise<LoadedLfm2Audio> {
  const checkpoint = await openLfm2Audio(source);
  try {
    const { model, weights, config } = await openDecoder(checkpoint);
    const kv = { type: 'f32', pageTokens: PAGE_TOKENS, maxPages: 8 } as const;
    const cells = 100 * (config as Lfm2AudioConfig).ears.bins;
    const ofRows = { tokens: ROWS, frames: ROWS, rows: ROWS, outRows: ROWS, texts: ROWS };
    const sizes = { [CONFORMER.cells]: cells, ...ofRows, voices: 8, spans: 8 };
    const program = await executor.load({ model, weights, kv, sizes });
    program.ensurePages(0, 16);
    program.ensurePages(1, 8);
    program.ensureSlots(8);
    return { program, config: config as Lfm2AudioConfig };
  } finally {
    await checkpoint.close();
  }
}

const upTo = (count: number, from = 0) => Int32Array.from({ length: count }, (_, i) => from + i);

/** Frames [n][8] as inputs, a codebook each. */
export function codesOf(frames: readonly (readonly number[])[]): Record<string, Int32Array> {
  return Object.fromEntries(Array.from({ length: CODEBOOKS }, (_, k) => [codeName(k), Int32Array.from(frames, (frame) => frame[k]!)]));
}

/** The runs that make embeddings of a part of a prompt, and what of them the backbone takes. */
function embedPart(part: PromptPart, heard: (n: number) => Float32Array) {
  if ('text' in part) {
    const { graph, tokens, embeddings } = TALK.tokens;
    const run: GraphRun = { graph, dims: { tokens: part.text.length }, inputs: { [tokens]: part.text }, wanted: [embeddings] };
    return { runs: [run], embeddings: { graph, output: embeddings }, rows: part.text.length };
  }
  if ('audio_in' in part) return { runs: [], embeddings: heard(part.audio_in), rows: part.positions };
  const { graph, embeddings } = TALK.frames;
  const run: GraphRun = { graph, dims: { frames: part.audio_out.length }, inputs: codesOf(part.audio_out), wanted: [embeddings] };
  return { runs: [run], embeddings: { graph, output: embeddings }, rows: part.audio_out.length };
}

/** What is heard of both sounds: the features of the front end, after the convolutions, each layer, and as the backbone takes it. */
export async function checkEars(executor: Executor, tolerance: number, source?: Lfm2AudioSource): Promise<void> {
  const { of } = readLfm2AudioGolden();
  const { program, config } = await loadLfm2Audio(executor, source);
  try {
    const { ears } = config;
    const { graph, embeddings } = TALK.ears;
    for (const name of ['audio0', 'audio1']) {
      const sound = { samples: of(`${name}.waveform`), sampleRate: 16_000 };
      const { features } = await featuresOfSound(sound, { bands: ears.bins, mostSeconds: 2 });
      const frames = features.length / ears.bins;
      const mel = of(`${name}.mel`);
      const turned = Float32Array.from(features, (_, i) => mel[(i % ears.bins) * frames + Math.floor(i / ears.bins)]!);
      expectClose(`${name} features`, { wanted: turned, found: features }, 1e-3);
      const wanted = ['subsampled', 'hidden.1', 'encoded', embeddings];
      const [made] = await program.run([{ graph, ...conformerInputs(ears, turned), wanted }]);
      for (const [tap, own] of [['subsampled', 'pre_encode'], ['encoded', 'encoded'], [embeddings, 'adapted']] as const)
        expectClose(`${name} ${own}`, { wanted: of(`${name}.${own}`), found: made!.get(tap)! }, tolerance);
      if (name === 'audio0') expectClose('a layer', { wanted: of('audio0.hidden.1'), found: made!.get('hidden.1')! }, tolerance);
    }
  } finally {
    await program.dispose();
  }
}

/** A prompt of all kinds of rows, each kind in a run of its own of one submit: embeddings, every layer, states and logits of text. */
export async function checkMixed(executor: Executor, tolerance: number, source?: Lfm2AudioSource): Promise<void> {
  const { golden, of } = readLfm2AudioGolden();
  const { program, config } = await loadLfm2Audio(executor, source);
  try {
    const { backbone, text } = TALK;
    const pages = [upTo(4), []];
    let start = 0;
    let slot = 0;
    const runs: GraphRun[] = [];
    for (const part of golden.prompts['mixed']!) {
      const made = embedPart(part, (n) => of(`audio${n}.adapted`));
      const { rows } = made;
      const write = slot === 1 ? 2 : 1;
      runs.push(...made.runs, {
        graph: backbone.graph, dims: { rows, outRows: rows },
        inputs: { [backbone.embeddings]: made.embeddings, [backbone.positions]: upTo(rows, start), [backbone.outIndices]: upTo(rows) },
        sequences: [{ rows, start, pages, slots: { read: slot, write } }],
        wanted: [backbone.hidden, 'hidden.1', `hidden.${config.layers}`],
      }, {
        graph: text.graph, dims: { texts: rows },
        inputs: { [text.hidden]: { graph: backbone.graph, output: backbone.hidden }, [text.settings]: new Float32Array(3 * rows) },
        wanted: [text.logits, text.token],
      });
      slot = write;
      start += rows;
    }
    const results = await program.run(runs);
    const all = (graph: string, name: string) => results.flatMap((result, i) => (runs[i]!.graph === graph ? [...result.get(name)!] : []));
    const last = `hidden.${config.layers}`;
    for (const [tap, name] of [[backbone.hidden, 'output'], ['hidden.1', 'hidden.1'], [last, last]] as const)
      expectClose(`mixed ${name}`, { wanted: of(`mixed.${name}`), found: all(backbone.graph, tap) }, tolerance);
    const logits = of('mixed.text_logits');
    expectClose('mixed logits', { wanted: logits, found: all(text.graph, text.logits) }, tolerance);
    const vocab = config.vocabSize;
    const likeliest = Array.from({ length: start }, (_, row) => {
      const own = logits.subarray(row * vocab, (row + 1) * vocab);
      return own.indexOf(Math.max(...own));
    });
    expect(all(text.graph, text.token)).toEqual(likeliest);
    checkEmbeddings(runs, results, { wanted: of('mixed.embeddings'), dim: config.dim, tolerance });
  } finally {
    await program.dispose();
  }
}

/** Embeddings of text and of frames; what is heard was given. */
function checkEmbeddings(
  runs: readonly GraphRun[], results: readonly ReadonlyMap<string, Float32Array>[],
  { wanted, dim, tolerance }: { readonly wanted: Float32Array; readonly dim: number; readonly tolerance: number },
): void {
  let row = 0;
  let checked = 0;
  for (const [i, { graph, dims }] of runs.entries()) {
    const found = graph === TALK.tokens.graph || graph === TALK.frames.graph ? results[i]!.get('embeddings')! : undefined;
    if (found !== undefined) {
      expectClose(`embeddings of ${graph}`, { wanted: wanted.subarray(row * dim, row * dim + found.length), found }, tolerance);
      checked += found.length;
    }
    if (graph === TALK.backbone.graph) row += dims['rows']!;
  }
  expect(checked).toBeGreaterThan(20 * dim);
}

/** Frames of states, six at a time, whose codes no host sees before the last. */
export async function checkDepth(executor: Executor, tolerance: number, source?: Lfm2AudioSource): Promise<void> {
  const { of, ints } = readLfm2AudioGolden();
  const { program, config } = await loadLfm2Audio(executor, source);
  try {
    const { dim, audioVocab } = config;
    const hidden = of('depth.input');
    const voices = hidden.length / dim;
    const run = depthRun({ hidden, voices, settings: new Float32Array(3 * CODEBOOKS * voices) });
    const [last] = await program.run([{ ...run, wanted: [...run.wanted, ...ALL_LOGITS] }]) as [ReadonlyMap<string, Float32Array>];
    // Where the first code ends the sound, the golden has what the others would have been.
    const golden = ints('depth.codes');
    const ends = (v: number) => golden[v * CODEBOOKS] === audioVocab - 1;
    const wanted = Array.from(golden, (code, i) => (ends(Math.floor(i / CODEBOOKS)) ? audioVocab - 1 : code));
    expect(Array.from({ length: voices }, (_, v) => ends(v))).toContain(true);
    const codes = Array.from({ length: voices * CODEBOOKS }, (_, i) => last.get(codeName(i % CODEBOOKS))![Math.floor(i / CODEBOOKS)]);
    expect(codes).toEqual(wanted);
    const logits = of('depth.logits');
    ALL_LOGITS.forEach((name, k) => {
      const found = last.get(name)!;
      for (let v = 0; v < voices; v++) {
        if (ends(v) && k > 0) continue;
        const own = logits.subarray((v * CODEBOOKS + k) * audioVocab, (v * CODEBOOKS + k + 1) * audioVocab);
        expectClose(`depth logits ${k}`, { wanted: own, found: found.subarray(v * audioVocab, (v + 1) * audioVocab) }, tolerance);
      }
    });
    // The embeddings of the frames are those that the frames' own graph makes.
    const frames = Array.from({ length: voices }, (_, v) => wanted.slice(v * CODEBOOKS, (v + 1) * CODEBOOKS));
    const inputs = codesOf(frames);
    const [said] = await program.run([{ graph: TALK.frames.graph, dims: { frames: voices }, inputs, wanted: ['embeddings'] }]);
    expectClose('embeddings', { wanted: said!.get('embeddings')!, found: last.get(TALK.depth.embeddings)! }, 1e-6);
  } finally {
    await program.dispose();
  }
}

/** Codes and logits of frames beside the reference's, for heads of another width than the golden's. */
export async function checkDepthBeside(executor: Executor, tolerance: number): Promise<void> {
  const { of } = readLfm2AudioGolden();
  const run = async (room: Executor): Promise<ReadonlyMap<string, Float32Array>> => {
    const { program, config } = await loadLfm2Audio(room, { hasWideHeads: true });
    try {
      const hidden = of('depth.input');
      const voices = hidden.length / config.dim;
      // The first voices greedily, the others by their chances, each codebook by its own.
      const chances = [0.9, 5, 0.3];
      const each = 3 * CODEBOOKS;
      const settings = Float32Array.from({ length: each * voices }, (_, i) =>
        (i < 3 * each ? 0 : chances[i % 3]! + (i % 3 === 2 ? i / (3 * each * voices) : 0)));
      const frame = depthRun({ hidden, voices, settings });
      const [made] = await program.run([{ ...frame, wanted: [...frame.wanted, ...ALL_LOGITS] }]);
      return new Map([...made!].map(([name, values]) => [name, values.slice()]));
    } finally {
      await program.dispose();
    }
  };
  const [wanted, found] = [await run(createReferenceExecutor()), await run(executor)];
  for (const name of ALL_LOGITS) expectClose(name, { wanted: wanted.get(name)!, found: found.get(name)! }, tolerance);
  for (let k = 0; k < CODEBOOKS; k++) expect([...found.get(codeName(k))!], codeName(k)).toEqual([...wanted.get(codeName(k))!]);
}

const ALL_LOGITS = Array.from({ length: CODEBOOKS }, (_, k) => TALK.depth.logits(k));

/** Each voice has a page of its own, whose first positions are the frame's codebooks. @param settings [voices, 8 * 3] */
export function depthRun({ hidden, voices, settings, firstPage = 0 }: {
  readonly hidden: GraphRun['inputs'][string]; readonly voices: number; readonly settings: Float32Array; readonly firstPage?: number;
}): GraphRun {
  const { depth } = TALK;
  const positions = Array.from({ length: CODEBOOKS }, (_, k) => [depth.positions(k), new Int32Array(voices).fill(k)]);
  return {
    graph: depth.graph, dims: { voices },
    inputs: { [depth.hidden]: hidden, [depth.settings]: settings, ...Object.fromEntries(positions) },
    sequences: Array.from({ length: voices }, (_, v) => ({ rows: 1, start: 0, pages: [[firstPage + v], []] })),
    wanted: [...Array.from({ length: CODEBOOKS }, (_, k) => codeName(k)), depth.embeddings],
  };
}

/** What the vocoder makes of detok.codes under the mask that its authors mean (scripts/fixtures/lfm2_audio_vocoder.py). */
export function vocoderGolden(): (name: string) => Float32Array {
  const tensors = readFixtureTensors(`${fixturesPath}lfm2-audio-vocoder.safetensors`);
  return (name) => f32Of(tensors, name);
}

/** Spectra of codes, all at once and some frames at a time. */
export async function checkVocoder(executor: Executor, tolerance: number, source?: Lfm2AudioSource): Promise<void> {
  const { ints } = readLfm2AudioGolden();
  const of = vocoderGolden();
  const { program, config } = await loadLfm2Audio(executor, source);
  try {
    const codes = ints('detok.codes');
    const frames = codes.length / CODEBOOKS;
    const width = 2 * config.bins;
    const wanted = of('log_magnitude_and_phase');
    for (const [name, parts] of [['whole', [frames]], ['in parts', [1, 2, 1, 3]]] as const) {
      const spectra: number[] = [];
      const states: number[] = [];
      let first = 0;
      let slot = 0;
      for (const spans of parts) {
        const own = Array.from({ length: spans }, (_, i) => Array.from({ length: CODEBOOKS }, (__, k) => codes[k * frames + first + i]!));
        const [made] = await program.run([vocoderRun(own, { first, read: slot, write: slot === 1 ? 2 : 1 })]);
        spectra.push(...made!.get(TALK.vocoder.spectrum)!);
        states.push(...made!.get('output')!);
        slot = slot === 1 ? 2 : 1;
        first += spans;
      }
      expectClose(`vocoder ${name}`, { wanted: of('output'), found: states }, tolerance);
      const found = Array.from({ length: frames }, (_, i) => {
        const at = i * SPECTRA_PER_FRAME * width;
        return spectra.slice(at, at + width);
      });
      expectClose(`spectra ${name}`, { wanted, found: found.flat() }, tolerance);
    }
  } finally {
    await program.dispose();
  }
}

interface VocoderStep {
  readonly first: number;
  readonly read: number;
  readonly write: number;
}

function vocoderRun(frames: readonly (readonly number[])[], { first, read, write }: VocoderStep): GraphRun {
  const { graph, positions, origins, spectrum } = TALK.vocoder;
  const rows = SPECTRA_PER_FRAME * frames.length;
  const start = SPECTRA_PER_FRAME * first;
  return {
    graph, dims: { spans: frames.length },
    inputs: {
      ...codesOf(frames),
      [positions]: upTo(rows, start),
      [origins]: Int32Array.from({ length: rows }, (_, i) => Math.floor(i / SPECTRA_PER_FRAME)),
    },
    sequences: [{ rows, start, pages: [[], upTo(8)], slots: { read, write } }],
    wanted: [spectrum, 'output'],
  };
}
