/** A talker of what hears and answers. */
import { InputError } from '../../../tensor/errors.ts';
import { describeValue } from '../../../tensor/option-names.ts';
import type { VoiceDetector } from '../../speech/voice-detector.ts';
import type { Answerer } from './answerer.ts';
import { LiveSession } from './live-session.ts';
import type { SessionOptions, Talker, TalkInput, TalkSession } from './talker.ts';

/** Silence behind a sound that is over, so that its last samples are heard. */
const REST_MS = 100;

export function createTalker(answerer: Answerer, detector: VoiceDetector): Talker {
  let isDisposed = false;
  const open = (options: SessionOptions = {}): TalkSession => {
    if (isDisposed) throw new InputError('the talker was disposed: make another.');
    return new LiveSession({ answerer, detector, options });
  };
  return {
    info: answerer.info,
    open,
    async *talk(input, options) {
      const session = open(options);
      const iterator = input[Symbol.asyncIterator]();
      const feeding = feed(session, { [Symbol.asyncIterator]: () => iterator }).finally(() => session.close());
      feeding.catch(() => {});
      try {
        yield* session.events();
        await feeding;
      } finally {
        // Not waited for: a microphone may say nothing for long.
        void iterator.return?.()?.catch(() => {});
        await session.close();
      }
    },
    async dispose() {
      if (isDisposed) return;
      isDisposed = true;
      await answerer.dispose();
    },
  };
}

/** Says what comes in, and waits until all of it was answered. */
async function feed(session: TalkSession, input: AsyncIterable<TalkInput>): Promise<void> {
  let sampleRate: number | undefined;
  for await (const said of input) {
    if (typeof said !== 'object' || said === null || !('text' in said || 'samples' in said))
      throw new InputError(`What is said must be a sound ({ samples, sampleRate }) or { text }, found ${describeValue(said)}.`);
    if ('samples' in said) {
      ({ sampleRate } = said);
      await session.hear(said);
      continue;
    }
    await session.idle();
    session.add({ role: 'user', text: said.text });
    session.respond();
  }
  if (sampleRate !== undefined && session.settings.turns !== 'none')
    await session.hear({ samples: new Float32Array(Math.ceil((sampleRate * REST_MS) / 1000)), sampleRate });
  if (session.isHearing) await session.commit();
  await session.idle();
}
