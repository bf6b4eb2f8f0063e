/** Chooses tokens of a program that makes logits only, as a device does: ahead of who reads them, in the order of the submits. */
import { createCandidates } from '../src/engine/candidates.ts';
import { createSampler } from '../src/engine/sampler.ts';
import type { Sampler } from '../src/engine/sampler.ts';
import type { ChoosingRows, ChosenTokens, Program, TokenChoice, TokenChooser, TokenMasks } from '../src/graph/executor.ts';
import { tokenRun } from '../src/graph/decoder-steps.ts';
import { DECODER } from '../src/graph/model-graphs.ts';

export interface FakeChooserOptions {
  readonly program: Program;
  readonly vocab: number;
  readonly mostSteps?: number;
  readonly mostSequences?: number;
  /** As {@link TokenChooser.prepare}; default: all is there. */
  readonly prepare?: TokenChooser['prepare'] | undefined;
}

interface OpenChoice {
  readonly sampler: Sampler;
  last: number;
}

function openChoice({ sampling, history: { promptIds, outputIds } }: TokenChoice, vocab: number): OpenChoice {
  const sampler = createSampler({ settings: sampling, promptIds, candidates: createCandidates(vocab) });
  for (let i = 0; i < outputIds.length; i++) sampler.count(outputIds[i] as number);
  return { sampler, last: -1 };
}

export function fakeChooser({ program, vocab, mostSteps = 8, mostSequences = 64, prepare }: FakeChooserOptions): TokenChooser {
  const choices: (OpenChoice | undefined)[] = [];
  let before: Promise<unknown> = Promise.resolve();
  let isUnchosen = false;
  type OwnedRows = ChoosingRows & { readonly own: OpenChoice | undefined };
  const step = async (sequences: readonly OwnedRows[], from: number, masks: Promise<TokenMasks> | undefined) => {
    const rows = sequences.map(({ tokens, start, pages, slots, wanted, own }) => {
      const ids = from > 0 || tokens.length === 0 ? [own?.last ?? -1] : Array.from(tokens);
      // Further steps go on in the slot that the one before has written.
      const place = slots === undefined || from === 0 ? slots : { read: slots.write, write: slots.write };
      return { tokens: ids, start: start + from, pages, slots: place, outputs: wanted === 'state' ? [] : [ids.length - 1] };
    });
    const [result] = await program.run([tokenRun(DECODER, rows, [DECODER.logits])]);
    const logits = result?.get(DECODER.logits) as Float32Array;
    const given = await masks;
    let row = 0;
    return sequences.map(({ wanted, own }, i) => {
      if (wanted === 'state') return undefined;
      const all = logits.slice(row * vocab, ++row * vocab);
      if (wanted === 'logits' || own === undefined) return all;
      return (own.last = own.sampler.sample(all, given?.[i]));
    });
  };
  return {
    mostSequences, mostSteps,
    open(choice) {
      const free = choices.indexOf(undefined);
      const at = free < 0 ? choices.length : free;
      choices[at] = openChoice(choice, vocab);
      return at;
    },
    close(choice) {
      choices[choice] = undefined;
    },
    prepare: (batch) => prepare?.(batch),
    async submit({ sequences, steps }) {
      await prepare?.({ sequences, steps });
      const wanting = sequences.filter(({ wanted }) => wanted !== 'state').length;
      if (wanting > mostSequences || steps > mostSteps) throw new Error(`submit of ${wanting} sequences, ${steps} steps`);
      if (steps > 1 && sequences.some(({ tokens, wanted, isMasked }) => tokens.length > 1 || wanted !== 'token' || isMasked === true))
        throw new Error('several steps of what has one');
      // Whose number is given to another meanwhile.
      const named = sequences.map((rows) => ({ ...rows, own: rows.choice === undefined ? undefined : choices[rows.choice] }));
      let choose: ((masks: TokenMasks) => void) | undefined;
      const isMasked = sequences.some((rows) => rows.isMasked === true);
      const masks = isMasked ? new Promise<TokenMasks>((resolve) => (choose = resolve)) : undefined;
      if (isUnchosen) throw new Error('a submit before the tokens of the one before were chosen');
      isUnchosen = isMasked;
      const results = before.then(async (): Promise<ChosenTokens[]> => {
        const chosen = sequences.map((): number[] => []);
        let made: Awaited<ReturnType<typeof step>> = [];
        for (let from = 0; from < steps; from++) {
          made = await step(named, from, masks);
          for (const [i, each] of made.entries()) if (typeof each === 'number') chosen[i]?.push(each);
        }
        return chosen.map((tokens, i) => {
          const own = made[i];
          return { tokens, logits: own instanceof Float32Array ? own : undefined, error: undefined };
        });
      });
      before = results.catch(() => {});
      return { results, choose: isMasked ? (given) => void ((isUnchosen = false), choose?.(given)) : undefined };
    },
  };
}
