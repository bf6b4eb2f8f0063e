/** Voice in and out, by models that hear and speak. */
import { signal } from '@preact/signals';
import { ears, transportInUse, voice } from './models.ts';
import { tell, tellFailure } from './notices.ts';
import { wavOf, withSizes } from './sound.ts';

/** `off`; `on`: the microphone is open; `hearing`: what was said is made text. */
export const microphone = signal<'off' | 'on' | 'hearing'>('off');
/** The turn that is read aloud. */
export const spoken = signal<string | undefined>(undefined);

let recorder: MediaRecorder | undefined;
let player: { readonly audio: HTMLAudioElement; readonly controller: AbortController; readonly url: string } | undefined;

async function transcribe(parts: readonly Blob[], onText: (text: string) => void): Promise<void> {
  microphone.value = 'hearing';
  try {
    const sound = await wavOf(new Blob([...parts], { type: parts[0]?.type ?? '' }));
    const text = await transportInUse().transcribe!(ears.value!.id, sound, new AbortController().signal);
    if (text === '') tell('Nothing was heard.');
    else onText(text);
  } catch (error) {
    tellFailure(error);
  }
  microphone.value = 'off';
}

async function record(onText: (text: string) => void): Promise<void> {
  try {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts: Blob[] = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
    recorder.addEventListener('stop', () => {
      for (const track of stream.getTracks()) track.stop();
      void transcribe(parts, onText);
    });
    recorder.start();
    microphone.value = 'on';
  } catch {
    tell('The microphone is not open to this page.');
  }
}

/** Opens the microphone, or closes it and gives what was said. */
export function toggleMicrophone(onText: (text: string) => void): void {
  if (microphone.value === 'on') recorder?.stop();
  else if (microphone.value === 'off') void record(onText);
}

export function stopSpeaking(): void {
  player?.controller.abort();
  player?.audio.pause();
  if (player !== undefined) URL.revokeObjectURL(player.url);
  player = undefined;
  spoken.value = undefined;
}

/** Reads a turn aloud, or stops. */
export async function toggleSpeaking(id: string, text: string): Promise<void> {
  const isOver = spoken.value === id;
  stopSpeaking();
  if (isOver) return;
  const controller = new AbortController();
  spoken.value = id;
  try {
    const sound = await withSizes(await transportInUse().speak!(voice.value!.id, text, controller.signal));
    if (spoken.value !== id) return;
    const url = URL.createObjectURL(sound);
    const audio = new Audio(url);
    player = { audio, controller, url };
    audio.addEventListener('ended', stopSpeaking);
    await audio.play();
  } catch (error) {
    if (spoken.value === id) tellFailure(error);
    stopSpeaking();
  }
}
