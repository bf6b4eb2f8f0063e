/** Chooses tokens of a program that makes logits only, as a device does: ahead of who reads them, in the order of the submits. */
import { createCandidates } from '../src/engine/candidates.ts';
import { createSampler } from '../src/engine/sampler.ts';
import type { Sampler } from '../src/engine/sampler.ts';
import type { ChoosingRows, ChosenTokens, Program, TokenChoice, TokenChooser, TokenMasks } from '../src/graph/executor.ts';
import { END_SPAN, mayEnd, SPAN_LENGTH_BITS, takeByte } from '../src/tensor/byte-table.ts';
import type { TablePlace, TokenGrammar } from '../src/tensor/byte-table.ts';
import { badLogits } from '../src/graph/sampling.ts';
import { CapacityError } from '../src/tensor/errors.ts';
import { tokenRun } from '../src/graph/decoder-steps.ts';
import { DECODER } from '../src/graph/model-graphs.ts';

export interface FakeChooserOptions {
  readonly program: Program;
  readonly vocab: number;
  readonly mostSteps?: number;
  readonly mostSequences?: number;
  /** As {@link TokenChooser.prepare}; default: all is there. */
  readonly prepare?: TokenChooser['prepare'] | undefined;
  /** Default false. */
  readonly followsGrammars?: boolean | undefined;
  /** How many open choices the device has memory for, whoever is in a submit. Default: as many as there are. */
  readonly mostChoices?: number | undefined;
  /** Steps behind the end of the last answer are left out. Default false: ends say nothing to it. */
  readonly stopsAtEnds?: boolean | undefined;
  /** As the chooser's. */
  readonly sharesCores?: boolean | undefined;
}

interface OpenChoice {
  readonly sampler: Sampler;
  readonly endIds: readonly number[];
  grammar: TokenGrammar | undefined;
  last: number;
  /** It has ended, where that is asked, or its logits were of no use. */
  isOver: boolean;
}

function openChoice({ sampling, history: { promptIds, outputIds }, endIds = [], grammar }: TokenChoice, vocab: number): OpenChoice {
  const sampler = createSampler({ settings: sampling, promptIds, candidates: createCandidates(vocab) });
  for (let i = 0; i < outputIds.length; i++) sampler.count(outputIds[i] as number);
  return { sampler, endIds, grammar, last: -1, isOver: false };
}

/** Bytes of a token, or that it ends an answer, as {@link TokenSpans} has them. */
function spanOf({ spans: { vocabSize, words } }: TokenGrammar, token: number): Uint8Array | 'end' {
  const span = words[token] as number;
  if (span === END_SPAN) return 'end';
  return new Uint8Array(words.buffer, (vocabSize + (span >>> SPAN_LENGTH_BITS)) * 4, span & ((1 << SPAN_LENGTH_BITS) - 1));
}

/** The place after a token: 'over' behind the end; undefined where it cannot follow. */
function placeAfter(grammar: TokenGrammar & { readonly place: TablePlace }, token: number): TablePlace | 'over' | undefined {
  const { table } = grammar;
  const bytes = spanOf(grammar, token);
  if (bytes === 'end') return mayEnd(table, grammar.place) ? 'over' : undefined;
  if (bytes.length === 0) return undefined;
  let place: TablePlace | undefined = grammar.place;
  for (const byte of bytes) place = place && takeByte(table, place, byte);
  return place;
}

/** Samples as a device does that follows the grammar of its own. */
function sampleOwn(own: OpenChoice, logits: Float32Array, given: Uint32Array | undefined): number {
  const { grammar } = own;
  if (grammar?.place === undefined) return (own.last = own.sampler.sample(logits, given));
  const at = grammar as TokenGrammar & { readonly place: TablePlace };
  const mask = new Uint32Array((logits.length + 31) >> 5);
  for (let token = 0; token < logits.length; token++)
    if (placeAfter(at, token) !== undefined) mask[token >> 5] = (mask[token >> 5] as number) | (1 << (token & 31));
  own.last = own.sampler.sample(logits, mask);
  const place = placeAfter(at, own.last);
  own.grammar = { ...grammar, place: place === 'over' ? undefined : place };
  return own.last;
}

export function fakeChooser(options: FakeChooserOptions): TokenChooser {
  const { program, vocab, mostSteps = 8, mostSequences = 64, prepare, followsGrammars = false, mostChoices = Infinity } = options;
  const { stopsAtEnds = false, sharesCores } = options;
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
      if (all.some((logit) => !(logit < Infinity))) return -1;
      return sampleOwn(own, all, given?.[i]);
    });
  };
  const take = (own: OpenChoice, tokens: number[], token: number) => {
    if (own.isOver) return;
    tokens.push(token);
    own.isOver = token < 0 || (stopsAtEnds && own.endIds.includes(token));
  };
  return {
    mostSequences, mostSteps, followsGrammars, sharesCores,
    open(choice) {
      const free = choices.indexOf(undefined);
      const at = free < 0 ? choices.length : free;
      choices[at] = openChoice(choice, vocab);
      return at;
    },
    close(choice) {
      choices[choice] = undefined;
      while (choices.length > 0 && choices.at(-1) === undefined) choices.pop();
    },
    prepare: (batch) => prepare?.(batch),
    async submit({ sequences, steps }) {
      await prepare?.({ sequences, steps });
      if (choices.length > mostChoices) throw new CapacityError(`the device has memory to choose for ${mostChoices} sequences`);
      const wanting = sequences.filter(({ wanted }) => wanted !== 'state').length;
      if (wanting > mostSequences || steps > mostSteps) throw new Error(`submit of ${wanting} sequences, ${steps} steps`);
      if (steps > 1 && sequences.some(({ tokens, wanted, isMasked }) => tokens.length > 1 || wanted !== 'token' || isMasked === true))
        throw new Error('several steps of what has one');
      for (const { wanted, choice } of sequences)
        if (wanted === 'token' && choices[choice ?? -1] === undefined) throw new TypeError(`choice ${choice} was closed before its submit`);
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
        for (let from = 0; from < steps && !named.every(({ own }) => own?.isOver === true); from++) {
          made = await step(named, from, masks);
          for (const [i, each] of made.entries()) if (typeof each === 'number') take(named[i]!.own!, chosen[i]!, each);
        }
        return chosen.map((tokens, i) => {
          const own = made[i];
          const logits = own instanceof Float32Array ? own : undefined;
          return tokens.at(-1) === -1 ? { tokens: tokens.slice(0, -1), logits, error: badLogits() } : { tokens, logits, error: undefined };
        });
      });
      before = results.catch(() => {});
      return { results, choose: isMasked ? (given) => void ((isUnchosen = false), choose?.(given)) : undefined };
    },
  };
}
