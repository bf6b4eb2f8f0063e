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
/** The person is asked whether the page may have the microphone. */
let isOpening = false;

interface Speaker {
  readonly controller: AbortController;
  /** Once its sound is there. */
  audio?: HTMLAudioElement;
}

let speaker: Speaker | undefined;

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
  let stream: MediaStream | undefined;
  const close = () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
  };
  isOpening = true;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const parts: Blob[] = [];
    recorder = new MediaRecorder(stream);
    recorder.addEventListener('dataavailable', ({ data }) => parts.push(data));
    recorder.addEventListener('stop', () => {
      close();
      void transcribe(parts, onText);
    });
    recorder.start();
    microphone.value = 'on';
  } catch {
    close();
    tell('The microphone is not open to this page.');
  }
  isOpening = false;
}

/** Opens the microphone, or closes it and gives what was said. */
export function toggleMicrophone(onText: (text: string) => void): void {
  if (microphone.value === 'on') recorder?.stop();
  else if (microphone.value === 'off' && !isOpening) void record(onText);
}

export function stopSpeaking(): void {
  const { controller, audio } = speaker ?? {};
  speaker = undefined;
  spoken.value = undefined;
  controller?.abort();
  audio?.pause();
  if (audio !== undefined) URL.revokeObjectURL(audio.src);
}

/** Reads a turn aloud, or stops. */
export async function toggleSpeaking(id: string, text: string): Promise<void> {
  const isOver = spoken.value === id;
  stopSpeaking();
  if (isOver) return;
  const own: Speaker = { controller: new AbortController() };
  speaker = own;
  spoken.value = id;
  try {
    const sound = await withSizes(await transportInUse().speak!(voice.value!.id, text, own.controller.signal));
    if (speaker !== own) return;
    own.audio = new Audio(URL.createObjectURL(sound));
    own.audio.addEventListener('ended', stopSpeaking);
    await own.audio.play();
  } catch (error) {
    // What was stopped, or gave way to another, fails by that alone.
    if (speaker !== own) return;
    tellFailure(error);
    stopSpeaking();
  }
}
