/** Voice in and out, by models that hear and speak. */
import { signal } from '@preact/signals';
import { orAborted } from '../transport/or-aborted.ts';
import type { ModelEntry } from '../transport/transport.ts';
import { openDialog } from './layout.ts';
import { ears, ensureLoaded, transportInUse, voice } from './models.ts';
import { tell, tellFailure } from './notices.ts';
import { wavOf, withSizes } from './sound.ts';

/** `off`; `on`: the microphone is open; `hearing`: what was said is made text. */
export const microphone = signal<'off' | 'on' | 'hearing'>('off');
/** The turn that is read aloud. */
export const spoken = signal<string | undefined>(undefined);

let recorder: MediaRecorder | undefined;
/** Ends what is heard. */
let hearing: AbortController | undefined;
/** The person is asked whether the page may have the microphone. */
let isOpening = false;

interface Speaker {
  readonly controller: AbortController;
  /** Once its sound is there. */
  audio?: HTMLAudioElement;
}

let speaker: Speaker | undefined;

interface Recording {
  readonly parts: readonly Blob[];
  /** The model that was to hear it when it began: it may have been deleted since then. */
  readonly modelId: string;
}

async function textOf({ parts, modelId }: Recording, stopped: AbortSignal): Promise<string> {
  // Its load is shown as that of any model.
  const id = await ensureLoaded(modelId, stopped);
  const sound = await wavOf(new Blob([...parts], { type: parts[0]?.type ?? '' }));
  return transportInUse().transcribe!(id, sound, stopped);
}

async function transcribe(recording: Recording, onText: (text: string) => void): Promise<void> {
  microphone.value = 'hearing';
  const { signal: stopped } = (hearing = new AbortController());
  try {
    const text = await orAborted(textOf(recording, stopped), stopped);
    if (text === '') tell('Nothing was heard.');
    else onText(text);
  } catch (error) {
    if (!stopped.aborted) tellFailure(error);
  }
  microphone.value = 'off';
}

async function record(modelId: string, onText: (text: string) => void): Promise<void> {
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
      void transcribe({ parts, modelId }, onText);
    });
    recorder.start();
    microphone.value = 'on';
  } catch {
    close();
    tell('The microphone is not open to this page.');
  }
  isOpening = false;
}

/** Whether a model is there; one that is not yet is told of, and shown where it can be downloaded. */
function isHere(entry: ModelEntry | undefined, does: string): boolean {
  if (entry?.status !== 'absent') return entry !== undefined;
  tell(`${entry.name} ${does}: download it first.`);
  openDialog.value = 'models';
  return false;
}

/** Opens the microphone, or closes it and gives what was said; what is being heard ends. */
export function toggleMicrophone(onText: (text: string) => void): void {
  if (microphone.value === 'hearing') return hearing?.abort();
  // Whatever became of the model: nothing leaves a microphone open.
  if (microphone.value === 'on') return recorder?.stop();
  if (!isOpening && isHere(ears.value, 'hears')) void record(ears.value!.id, onText);
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
  if (isOver || !isHere(voice.value, 'reads aloud')) return;
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
