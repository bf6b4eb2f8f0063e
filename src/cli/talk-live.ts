/** `ingot talk` with a microphone and a loudspeaker. */
import { mixDown } from '../audio/audio-stream.ts';
import type { SessionSettings, Talker, TalkSession } from '../engine/talk/live/talker.ts';
import type { Interrupts } from './interrupts.ts';
import { createLivePlayer } from './live-player.ts';
import { findPlayer } from './loudspeaker.ts';
import { recordMicrophone } from './microphone.ts';
import { createTalkPrinter } from './talk-printer.ts';

export interface LiveTalkOptions extends Interrupts {
  readonly settings: SessionSettings;
  /** Whether it listens while it speaks. */
  readonly isInterruptible: boolean;
}

/** Talks until the microphone ends, or Ctrl-C: the first one stops an answer, where there is one. */
export async function talkLive(talker: Talker, { settings, isInterruptible, signal, onInterrupt }: LiveTalkOptions): Promise<void> {
  // Programs that are not there are named before anybody speaks.
  const program = findPlayer(talker.info.sampleRate, { isLive: true });
  const player = createLivePlayer(() => program);
  let stopRecording = (): void => {};
  let hasLeft = false;
  const sound = await recordMicrophone({ signal, onInterrupt: (listener) => void (stopRecording = listener ?? (() => {})) });
  process.stderr.write('ingot: speak; Ctrl-C stops an answer, and again it leaves\n');
  const session = talker.open({ ...settings, isInterruptible, listensWhileSpeaking: isInterruptible, player, signal });
  const printer = createTalkPrinter({ isLive: true });
  onInterrupt(() => {
    if (session.isAnswering) return session.cancel();
    hasLeft = true;
    void session.close();
    stopRecording();
  });
  const hearing = hear(session, sound).finally(() => session.close());
  hearing.catch(() => {});
  try {
    for await (const event of session.events()) printer.print(event);
    // Who leaves does not wait for what was being heard.
    if (!hasLeft) await hearing;
  } finally {
    onInterrupt(undefined);
    printer.end();
    player.close();
    stopRecording();
    await session.close();
  }
}

interface MicrophoneSound {
  readonly sampleRate: number;
  readonly channels: number;
  readonly chunks: AsyncIterable<Float32Array>;
}

async function hear(session: TalkSession, { sampleRate, channels, chunks }: MicrophoneSound): Promise<void> {
  for await (const chunk of chunks) await session.hear({ samples: mixDown(chunk, channels), sampleRate });
  if (session.isHearing) await session.commit();
  await session.idle();
}
