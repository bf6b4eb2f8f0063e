/** What was said in a conversation with LFM2-Audio, as its model reads it: marks of a chat around text, sound and frames of speech. */
import type { CancelSignal } from '../../tensor/platform.ts';
import { InputError } from '../../tensor/errors.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Sound } from '../speech/mono-sound.ts';
import { featuresOfSound } from './hear-sound.ts';
import type { HeardSound } from './hear-sound.ts';
import type { TalkEngine } from './talk-engine.ts';
import { TALK_TOKENS } from './talk-flow.ts';
import type { TalkEvent } from './talk-flow.ts';
import { joinParts, partOfEvent, rowsOfPart } from './talk-runs.ts';
import type { TalkPart } from './talk-runs.ts';

/** What is said to the model: text, or a sound, or a text and then a sound. */
export interface TalkTurn {
  readonly text?: string | undefined;
  /** Or what `TalkModel.openSound` made of it. */
  readonly sound?: Sound | HeardSound | undefined;
}

/**
 * What was said before, in a conversation that is built anew. Of an answer, `said` is what `Talk.said` gave, so that its speech is known
 * too; `text` is for answers of others.
 */
export type TalkBefore =
  | { readonly role: 'user'; readonly turn: TalkTurn }
  | { readonly role: 'assistant'; readonly said: readonly TalkEvent[] }
  | { readonly role: 'assistant'; readonly text: string };

export interface TurnReaderOptions {
  readonly engine: TalkEngine;
  readonly tokenizer: Tokenizer;
  /** Of a sound. */
  readonly mostSeconds: number;
}

export interface ReadTurns {
  readonly parts: readonly TalkPart[];
  readonly positions: number;
  /** Of the turn's own sound; and positions that it takes. */
  readonly heardSeconds: number;
  readonly heardTokens: number;
}

export interface TurnReader {
  /** How a conversation begins. @param system "" leaves the message out */
  opening(system: string): TalkPart[];
  /** The end of the last answer, where the model did not say it itself. */
  closing(isEndSaid: boolean): TalkPart[];
  /** @throws InputError for a turn of nothing, and a sound that is none */
  before(said: readonly TalkBefore[], signal?: CancelSignal): Promise<TalkPart[]>;
  /** A turn behind `start`, up to where its answer begins. @throws InputError as {@link before} */
  turn(start: readonly TalkPart[], turn: TalkTurn, signal?: CancelSignal): Promise<ReadTurns>;
}

export function createTurnReader({ engine, tokenizer, mostSeconds }: TurnReaderOptions): TurnReader {
  const marks = (marked: string): TalkPart => ({ tokens: tokenizer.encode(marked, { parseSpecial: true }) });
  const text = (of: string): TalkPart[] => (of === '' ? [] : [{ tokens: tokenizer.encode(of) }]);
  const closing = (isEndSaid: boolean): TalkPart[] => (isEndSaid ? text('\n') : [marks('<|im_end|>\n')]);
  const userTurn = async ({ text: words, sound }: TalkTurn, signal: CancelSignal | undefined) => {
    if (words === undefined && sound === undefined) throw new InputError('A turn needs a text or a sound, found neither.');
    if (words !== undefined && typeof words !== 'string') throw new InputError('The text of a turn must be a string.');
    const { bins: bands } = engine.config.ears;
    const isHeard = typeof sound === 'object' && sound !== null && 'features' in sound;
    const heard = sound === undefined || isHeard ? sound : await featuresOfSound(sound, { bands, mostSeconds }, signal);
    const ears = heard === undefined ? [] : [await engine.hear(heard.features, signal)];
    const parts = [marks('<|im_start|>user\n'), ...text(words ?? ''), ...ears, marks('<|im_end|>\n')];
    return { parts, heardSeconds: heard?.seconds ?? 0, heardTokens: ears.reduce((sum, part) => sum + rowsOfPart(part), 0) };
  };
  return {
    closing,
    opening(system) {
      const begin = tokenizer.special.bos ?? tokenizer.idOf('<|startoftext|>');
      const message = system === '' ? [] : [marks('<|im_start|>system\n'), ...text(system), marks('<|im_end|>\n')];
      return [...(begin === undefined ? [] : [{ tokens: [begin] }]), ...message];
    },
    async before(said, signal) {
      const parts: TalkPart[] = [];
      for (const one of said) {
        if (one.role === 'user') parts.push(...(await userTurn(one.turn, signal)).parts);
        else {
          const answer = 'text' in one ? text(one.text) : one.said.map(partOfEvent);
          const last = 'text' in one ? undefined : one.said.at(-1);
          const isEndSaid = last !== undefined && 'token' in last && last.token === TALK_TOKENS.end;
          parts.push(marks('<|im_start|>assistant\n'), ...answer, ...closing(isEndSaid));
        }
      }
      return parts;
    },
    async turn(start, turn, signal) {
      const { parts: own, ...heard } = await userTurn(turn, signal);
      const parts = joinParts([...start, ...own, marks('<|im_start|>assistant\n')]);
      return { parts, positions: parts.reduce((sum, part) => sum + rowsOfPart(part), 0), ...heard };
    },
  };
}
