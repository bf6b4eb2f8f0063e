/** The runs of LFM2-Audio's graphs (models/lfm2-audio-graphs.ts) that steps of a conversation are made of. */
import type { GraphRun, RunInput, SequenceRows, StatePlace } from '../../graph/executor.ts';
import { CODEBOOKS } from '../../models/lfm2-audio-config.ts';
import { codeName, SPECTRA_PER_FRAME, TALK } from '../../models/lfm2-audio-graphs.ts';
import type { TalkEvent } from './talk-flow.ts';

/** Rows of one kind that a conversation is made of. */
export type TalkPart =
  | { readonly tokens: readonly number[] }
  | { readonly frames: readonly (readonly number[])[] }
  /** What was heard: [rows, dim], of the host, or what `run` makes. */
  | { readonly heard: RunInput; readonly rows: number; readonly run?: GraphRun | undefined };

export function rowsOfPart(part: TalkPart): number {
  return 'tokens' in part ? part.tokens.length : 'frames' in part ? part.frames.length : part.rows;
}

/** What a step made, as what the next one reads. */
export function partOfEvent(event: TalkEvent): TalkPart {
  return 'token' in event ? { tokens: [event.token] } : { frames: [event.codes] };
}

/** Parts of one kind that follow each other as one. */
export function joinParts(parts: readonly TalkPart[]): TalkPart[] {
  const all: TalkPart[] = [];
  for (const part of parts) {
    const last = all.at(-1);
    if (last !== undefined && 'tokens' in last && 'tokens' in part) all[all.length - 1] = { tokens: [...last.tokens, ...part.tokens] };
    else if (last !== undefined && 'frames' in last && 'frames' in part) all[all.length - 1] = { frames: [...last.frames, ...part.frames] };
    else all.push(part);
  }
  return all;
}

export function upTo(count: number, from = 0): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => from + i);
}

/** Frames of eight codes, as an input for each codebook. */
export function codeInputs(frames: readonly (readonly number[])[]): Record<string, Int32Array> {
  return Object.fromEntries(Array.from({ length: CODEBOOKS }, (_, k) => [codeName(k), Int32Array.from(frames, (codes) => codes[k]!)]));
}

/** The run that makes a part's embeddings, where it takes one, and what of it the backbone reads. */
export function embeddingRun(part: TalkPart): { readonly run: GraphRun | undefined; readonly embeddings: RunInput } {
  if ('heard' in part) return { run: part.run, embeddings: part.heard };
  if ('tokens' in part) {
    const { graph, tokens, embeddings } = TALK.tokens;
    const run = { graph, dims: { tokens: part.tokens.length }, inputs: { [tokens]: part.tokens }, wanted: [] };
    return { run, embeddings: { graph, output: embeddings } };
  }
  const { graph, embeddings } = TALK.frames;
  const run = { graph, dims: { frames: part.frames.length }, inputs: codeInputs(part.frames), wanted: [] };
  return { run, embeddings: { graph, output: embeddings } };
}

/** Rows of the backbone, of which the last one's state is made. */
export function backboneRun(embeddings: RunInput, sequence: SequenceRows): GraphRun {
  const { backbone } = TALK;
  const { rows, start } = sequence;
  return {
    graph: backbone.graph, dims: { rows, outRows: 1 },
    inputs: { [backbone.embeddings]: embeddings, [backbone.positions]: upTo(rows, start), [backbone.outIndices]: [rows - 1] },
    sequences: [sequence], wanted: [],
  };
}

const HIDDEN: RunInput = { graph: TALK.backbone.graph, output: TALK.backbone.hidden };

/** A token of the backbone's last state. @param settings temperature, top-k and a random number */
export function tokenRun(settings: readonly number[], wanted: readonly string[]): GraphRun {
  const { text } = TALK;
  return { graph: text.graph, dims: { texts: 1 }, inputs: { [text.hidden]: HIDDEN, [text.settings]: settings }, wanted };
}

/** What the backbone reads of a token or a frame that the same list has chosen. */
export const CHOSEN: Readonly<Record<'text' | 'audio', RunInput>> = {
  text: { graph: TALK.text.graph, output: TALK.text.embeddings },
  audio: { graph: TALK.depth.graph, output: TALK.depth.embeddings },
};

const ALL_CODES = Array.from({ length: CODEBOOKS }, (_, k) => codeName(k));

const DEPTH_POSITIONS = Object.fromEntries(Array.from({ length: CODEBOOKS }, (_, k) => [TALK.depth.positions(k), [k]]));

/** A frame of the backbone's last state, which gives all codes. @param settings of each codebook */
export function frameRun(settings: readonly (readonly number[])[], place: StatePlace): GraphRun {
  const { depth } = TALK;
  return {
    graph: depth.graph, dims: { voices: 1 },
    inputs: { [depth.hidden]: HIDDEN, [depth.settings]: settings.flat(), ...DEPTH_POSITIONS },
    sequences: [{ ...place, rows: 1, start: 0 }],
    wanted: ALL_CODES,
  };
}

/** Spectra of frames behind `before` others. */
export function spectraRun(frames: readonly (readonly number[])[], before: number, place: StatePlace): GraphRun {
  const { graph, positions, origins, spectrum } = TALK.vocoder;
  const rows = SPECTRA_PER_FRAME * frames.length;
  const start = SPECTRA_PER_FRAME * before;
  return {
    graph, dims: { spans: frames.length },
    inputs: {
      ...codeInputs(frames), [positions]: upTo(rows, start),
      [origins]: upTo(rows).map((row) => Math.floor(row / SPECTRA_PER_FRAME)),
    },
    sequences: [{ ...place, rows, start }],
    wanted: [spectrum],
  };
}
