/** What comes in while the loudspeaker sounds, and a little behind it: a microphone may have heard the answer. */
import { checkSampleRate, checkSamples } from '../../../audio/audio-stream.ts';
import type { Waveform } from '../../../audio/audio-stream.ts';
import type { SoundPlayer } from './sound-player.ts';

/** What the buffer of a program that plays, and a room, still have of an answer when it is over. */
const ECHO_MS = 200;

export interface EchoGuard {
  /** The loudspeaker, of which the guard notices when it begins and when it is silent. */
  readonly player: SoundPlayer;
  /** @returns the sound with silence in place of what may be the loudspeaker's. @throws InputError for what is no sound */
  silenced(sound: Waveform): Waveform;
}

export function createEchoGuard(player: SoundPlayer): EchoGuard {
  let isSounding = false;
  /** Of what comes in behind the last sound. */
  let echoMs = 0;
  const fallSilent = (): void => {
    if (isSounding) echoMs = ECHO_MS;
    isSounding = false;
  };
  return {
    player: {
      begin(sampleRate) {
        isSounding = true;
        player.begin(sampleRate);
      },
      play: (samples) => player.play(samples),
      get played() {
        return player.played;
      },
      pause: () => player.pause(),
      resume: () => player.resume(),
      stop() {
        player.stop();
        fallSilent();
      },
      async finish() {
        await player.finish();
        fallSilent();
      },
    },
    silenced(sound) {
      if (!isSounding && echoMs <= 0) return sound;
      const { samples, sampleRate } = sound;
      checkSampleRate('sampleRate', sampleRate);
      checkSamples(samples);
      const deaf = isSounding ? samples.length : Math.min(samples.length, Math.ceil((echoMs * sampleRate) / 1000));
      if (!isSounding) echoMs -= (1000 * deaf) / sampleRate;
      return { samples: samples.slice().fill(0, 0, deaf), sampleRate };
    },
  };
}
