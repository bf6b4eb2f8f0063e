/**
 * Greedy decoding of transducers (Graves 2012; with durations Xu et al. 2023), of several sounds together. A state changes with tokens
 * alone: so a run joins it with some frames ahead, and the host goes over their logits until a token comes. A run then takes in the tokens
 * that came, and joins the new states; all sounds share it.
 */
import type { GraphRun, Program, RunInput } from '../../../graph/executor.ts';
import { EMPTY_SLOT } from '../../../graph/state-sizes.ts';
import { PARAKEET } from '../../../models/parakeet.ts';
import type { ParakeetConfig, TransducerConfig } from '../../../models/parakeet.ts';
import type { CancelSignal } from '../../../tensor/platform.ts';
import type { FrameToken } from './frame-token.ts';
import { likeliestOf } from './likeliest.ts';

interface Transducing {
  readonly program: Program;
  /** Of a transducer. */
  readonly config: ParakeetConfig;
  /** Frames that are joined at a time. */
  readonly ahead: number;
  readonly signal: CancelSignal | undefined;
}

/** A sound on its way. */
interface Walk {
  /** [frames, width]. */
  readonly heard: Float32Array;
  readonly frames: number;
  readonly slot: number;
  readonly tokens: FrameToken[];
  frame: number;
  /** Tokens of this frame. */
  symbols: number;
  /** A token that the state does not hold yet; the blank begins. */
  pending: number | undefined;
  hasState: boolean;
  /** Of the state, [width]. */
  predicted: Float32Array;
}

/** @param heard what the encoder leaves of each sound, [frames, width] */
export async function transduce(how: Transducing, heard: readonly Float32Array[]): Promise<FrameToken[][]> {
  const { config: { blankId, transducer }, signal, program } = how;
  const { width, mostSymbols } = transducer as TransducerConfig;
  const walks = heard.map((values, i): Walk => ({
    heard: values, frames: values.length / width, slot: EMPTY_SLOT + 1 + i, tokens: [], frame: 0, symbols: 0, pending: blankId,
    hasState: false, predicted: new Float32Array(width),
  }));
  // A token of no duration may follow itself for ever: so many fit a sound.
  const isOpen = ({ frame, frames, tokens }: Walk) => frame < frames && tokens.length < mostSymbols * frames;
  for (let open = walks.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    signal?.throwIfAborted();
    const groups = [open.filter(({ pending }) => pending !== undefined), open.filter(({ pending }) => pending === undefined)];
    const [fresh, others] = groups as [Walk[], Walk[]];
    const runs = [
      ...(fresh.length === 0 ? [] : [predictorRun(fresh), jointRun(how, fresh, PREDICTED)]),
      ...(others.length === 0 ? [] : [jointRun(how, others, Float32Array.from(others.flatMap(({ predicted }) => [...predicted])))]),
    ];
    const results = [...await program.run(runs)];
    if (fresh.length > 0) takeStates(fresh, results.shift()!.get(PARAKEET.predictor.predicted) as Float32Array);
    for (const group of groups) if (group.length > 0) goOver(how, group, results.shift()!.get(PARAKEET.joint.logits) as Float32Array);
  }
  return walks.map(({ tokens }) => tokens);
}

const PREDICTED = { graph: PARAKEET.predictor.graph, output: PARAKEET.predictor.predicted } as const;

function predictorRun(fresh: readonly Walk[]): GraphRun {
  const { graph, tokens, predicted } = PARAKEET.predictor;
  return {
    graph, dims: { [tokens]: fresh.length }, inputs: { [tokens]: Int32Array.from(fresh, ({ pending }) => pending as number) },
    // It has no positions: what was before is in the slot.
    sequences: fresh.map(({ slot, hasState }) => (
      { rows: 1, start: 0, pages: [], slots: { read: hasState ? slot : EMPTY_SLOT, write: slot } }
    )),
    wanted: [predicted],
  };
}

function aheadIn({ ahead }: Transducing, { frame, frames }: Walk): number {
  return Math.min(ahead, frames - frame);
}

function jointRun(how: Transducing, group: readonly Walk[], predicted: RunInput): GraphRun {
  const { graph, heard, pairs, sounds, of, logits, predicted: name } = PARAKEET.joint;
  const { width } = how.config.transducer as TransducerConfig;
  const counts = group.map((walk) => aheadIn(how, walk));
  const count = counts.reduce((sum, each) => sum + each, 0);
  const rows = new Float32Array(count * width);
  const owners = new Int32Array(count);
  let at = 0;
  group.forEach((walk, i) => {
    rows.set(walk.heard.subarray(walk.frame * width, (walk.frame + counts[i]!) * width), at * width);
    owners.fill(i, at, at + counts[i]!);
    at += counts[i]!;
  });
  const inputs = { [heard]: rows, [name]: predicted, [of]: owners };
  return { graph, dims: { [pairs]: count, [sounds]: group.length }, inputs, wanted: [logits] };
}

function takeStates(fresh: readonly Walk[], predicted: Float32Array): void {
  fresh.forEach((walk, i) => {
    const width = walk.predicted.length;
    walk.predicted.set(predicted.subarray(i * width, (i + 1) * width));
    walk.hasState = true;
    walk.pending = undefined;
  });
}

function goOver(how: Transducing, group: readonly Walk[], logits: Float32Array): void {
  let first = 0;
  for (const walk of group) {
    const count = aheadIn(how, walk);
    step(how.config, walk, { logits, first, end: walk.frame + count });
    first += count;
  }
}

/** Goes on frame by frame until a token comes or the logits end; they begin at row `first` with the frame that the walk is at. */
function step(
  { vocabSize, blankId, transducer }: ParakeetConfig, walk: Walk,
  { logits, first, end }: { readonly logits: Float32Array; readonly first: number; readonly end: number },
): void {
  const { durations, mostSymbols } = transducer as TransducerConfig;
  const width = vocabSize + durations.length;
  const begin = walk.frame;
  while (walk.frame < end && walk.pending === undefined) {
    const row = (first + walk.frame - begin) * width;
    const { frame } = walk;
    const id = likeliestOf(logits, row, vocabSize);
    const isBlank = id === blankId;
    let advance: number;
    if (durations.length > 0) {
      const duration = durations[likeliestOf(logits, row + vocabSize, durations.length)] as number;
      advance = isBlank ? Math.max(1, duration) : duration;
    } else {
      // A frame has so many tokens at most: then the next one is heard.
      walk.symbols = isBlank ? 0 : walk.symbols + 1;
      advance = isBlank || walk.symbols >= mostSymbols ? 1 : 0;
      if (advance > 0) walk.symbols = 0;
    }
    walk.frame += advance;
    if (isBlank) continue;
    walk.tokens.push({ id, frame, frames: advance });
    walk.pending = id;
  }
}
