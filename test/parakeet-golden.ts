/** Parakeet's three heads on an executor, against what transformers computes (../shared/golden/parakeet_*). */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { createFrameDecoder } from '../src/engine/speech/parakeet/frame-decoder.ts';
import { openCheckpoint } from '../src/files/open-checkpoint.ts';
import type { Executor, Program } from '../src/graph/executor.ts';
import { EMPTY_SLOT } from '../src/graph/state-sizes.ts';
import { conformerInputs } from '../src/models/conformer.ts';
import { openDecoder } from '../src/models/open-decoder.ts';
import { PARAKEET } from '../src/models/parakeet.ts';
import type { ParakeetHead } from '../src/models/parakeet.ts';
import { locate } from '../src/node/open-path.ts';
import { f32Of, readFixtureTensors, sharedPath } from './fixture-tensors.ts';
import { expectClose } from './relative-error.ts';

export const parakeetGolden = (head: ParakeetHead) => `golden/${head}/golden.json`;

interface Golden {
  readonly greedy: readonly number[];
  /** CTC: the likeliest token of each frame. */
  readonly path?: readonly number[];
  /** Transducers: every step, blanks among them, and the frames that it takes. */
  readonly sequence?: readonly number[];
  readonly durations?: readonly number[];
  readonly blank: number;
}

/** The frames in which tokens were said. */
export function parakeetFrames({ path, sequence = [], durations = [], blank }: Golden): number[] {
  if (path !== undefined) return path.flatMap((id, frame) => (id !== blank && id !== path[frame - 1] ? [frame] : []));
  const starts = durations.map((_, i) => durations.slice(0, i).reduce((sum, each) => sum + each, 0));
  return starts.filter((_, i) => sequence[i] !== blank);
}

export async function checkParakeet(executor: Executor, head: ParakeetHead, tolerance: number): Promise<void> {
  const folder = `${sharedPath}/golden/${head}`;
  const golden = JSON.parse(readFileSync(`${folder}/golden.json`, 'utf8')) as Golden;
  const tensors = readFixtureTensors(`${folder}/golden.safetensors`);
  const of = (name: string) => f32Of(tensors, name);
  const features = of('input_features');
  const checkpoint = await openCheckpoint(await locate(folder));
  const opened = await openDecoder(checkpoint);
  expect(opened.warnings).toEqual([]);
  const decoder = await createFrameDecoder({ executor, decoder: opened, mostFrames: 203, sounds: 3 });
  await checkpoint.close();
  try {
    const { program, config: { encoder, transducer } } = decoder;
    const { graph, encoded, logits, heard } = PARAKEET.encoder;
    const last = transducer === undefined ? logits : heard;
    const [made] = await program.run([{
      graph, ...conformerInputs(encoder, features), wanted: ['subsampled', 'hidden.1', encoded, last],
    }]);
    for (const [found, name] of [
      ['subsampled', 'subsampled'], ['hidden.1', 'encoder.hidden.1'], [encoded, 'encoded'],
      [last, transducer === undefined ? 'logits' : 'projected'],
    ] as const) expectClose(`${head} ${name}`, { wanted: of(name), found: made!.get(found)! }, tolerance);
    if (transducer !== undefined) await checkSteps(program, golden, of, { width: transducer.width, tolerance });
    // Shorter sounds beside it change nothing, nor do those that leave no frame.
    const sounds = [features, new Float32Array(0), features.subarray(0, 80 * 131)];
    const [whole, none, part] = await decoder.hear(sounds);
    expect(whole!.map(({ id }) => id)).toEqual(golden.greedy);
    expect(whole!.map(({ frame }) => frame)).toEqual(parakeetFrames(golden));
    expect(none).toEqual([]);
    expect(part!.length).toBeGreaterThan(0);
    expect((await decoder.hear([sounds[2]!]))[0]).toEqual(part);
  } finally {
    await decoder.dispose();
  }
}

interface StepsCheck {
  readonly width: number;
  readonly tolerance: number;
}

/** Logits of every step that transformers took, one at a time. */
async function checkSteps(
  program: Program, { sequence = [], durations = [], blank }: Golden, of: (name: string) => Float32Array, { width, tolerance }: StepsCheck,
): Promise<void> {
  const { predictor, joint } = PARAKEET;
  const heard = of('projected');
  const found: number[] = [];
  let [frame, token, read] = [0, blank, EMPTY_SLOT];
  let predicted = new Float32Array(0);
  for (const [i, id] of sequence.entries()) {
    if (i === 0 || token !== blank) {
      const [made] = await program.run([{
        graph: predictor.graph, dims: { [predictor.tokens]: 1 }, inputs: { [predictor.tokens]: [token] },
        sequences: [{ rows: 1, start: 0, pages: [], slots: { read, write: EMPTY_SLOT + 1 } }], wanted: [predictor.predicted],
      }]);
      predicted = made!.get(predictor.predicted)!.slice();
      read = EMPTY_SLOT + 1;
    }
    const inputs = { [joint.heard]: heard.subarray(frame * width, (frame + 1) * width), [joint.predicted]: predicted, [joint.of]: [0] };
    const [made] = await program.run([{
      graph: joint.graph, dims: { [joint.pairs]: 1, [joint.sounds]: 1 }, inputs, wanted: [joint.logits],
    }]);
    found.push(...made!.get(joint.logits)!);
    frame += durations[i]!;
    token = id;
  }
  expectClose('joint logits', { wanted: of('joint_logits'), found: Float32Array.from(found) }, tolerance);
}
