// Runs in the page, served as it is: what a page does with models that hear and speak.
import { loadSpeechModel, loadTalkModel, loadVoiceModel, openSound } from '../../dist/browser/load.js';
import { markWork } from './in-page.mjs';

const said = (error) => `${error.name}: ${error.message}`;
const RATE = 16_000;

/** Gives a sound in pieces, as a microphone does, and says how many were taken and whether it was let go. */
function microphone(samples, pieceSamples) {
  const state = { taken: 0, isClosed: false };
  async function* pieces() {
    try {
      for (let at = 0; at < samples.length; at += pieceSamples) {
        state.taken++;
        yield samples.slice(at, at + pieceSamples);
      }
    } finally {
      state.isClosed = true;
    }
  }
  return { sound: { sampleRate: RATE, chunks: pieces() }, state };
}

async function samplesOf(url) {
  const parts = [];
  for await (const chunk of (await openSound(await (await fetch(url)).blob())).chunks) parts.push(chunk);
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** All calls of a model that hears, of the first seconds of a sound. */
export async function hear({ source, options, soundUrl, seconds, transcribe }) {
  const samples = (await samplesOf(soundUrl)).slice(0, seconds * RATE);
  const end = markWork();
  const phases = new Set();
  const model = await loadSpeechModel(source, { ...options, onProgress: ({ phase }) => phases.add(phase) });
  const { text } = await model.transcribe({ samples, sampleRate: RATE }, transcribe);
  const one = microphone(samples, 5000);
  const segments = [];
  for await (const segment of model.segments(one.sound, transcribe)) segments.push(segment.text);
  const heard = [];
  if (model.info.isLive) {
    const padded = new Float32Array(samples.length + RATE);
    padded.set(samples);
    const live = microphone(padded, 8000);
    for await (const event of model.listen(live.sound)) if (event.kind === 'final') heard.push(event.segment.text);
  }
  // Who leaves in the middle lets the microphone go.
  const left = microphone(samples, 1000);
  const reason = new Error('enough');
  const controller = new AbortController();
  const onProgress = () => controller.abort(reason);
  const thrown = await model.transcribe(left.sound, { ...transcribe, signal: controller.signal, onProgress }).catch((error) => error);
  const all = await model.transcribeAll([{ samples, sampleRate: RATE }, async () => microphone(samples, 5000).sound], transcribe);
  const { info, runsOn } = model;
  await model.dispose();
  end();
  const over = await model.transcribe({ samples, sampleRate: RATE }).catch(said);
  return {
    text,
    segments,
    heard,
    over,
    taken: one.state.taken,
    isClosed: one.state.isClosed,
    runsOn,
    phases: [...phases],
    architecture: info.architecture,
    isSameReason: thrown === reason,
    leftClosed: left.state.isClosed,
    all: all.map((each) => each.text),
  };
}

/** A voice of a folder of the private file system, and of files that were dropped. */
export async function speak({ files, options, asked }) {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle('a-voice', { create: true });
  const dropped = [];
  for (const [name, url] of Object.entries(files)) {
    const blob = await (await fetch(url)).blob();
    const [below, own] = name.includes('/') ? name.split('/') : [undefined, name];
    const at = below === undefined ? folder : await folder.getDirectoryHandle(below, { create: true });
    const writable = await (await at.getFileHandle(own, { create: true })).createWritable();
    await writable.write(blob);
    await writable.close();
    // As of a folder that was picked: threads lose what is no property of the platform's own.
    dropped.push(Object.defineProperty(new File([blob], own), 'webkitRelativePath', { value: `a-voice/${name}` }));
  }
  const found = [];
  for (const source of [folder, dropped]) {
    const model = await loadVoiceModel(source, options);
    const pieces = [];
    for await (const { samples, text, words } of model.speak(asked.what, asked.options))
      pieces.push({ samples: [...samples], text, words });
    const { voices, sampleRate } = model.info;
    // Without espeak-ng, a text is refused in words; with what the page makes of it, it is spoken.
    const refused = await model.speak('Hello.', asked.options).next().catch(said);
    await model.dispose();
    found.push({ pieces, voices, sampleRate, refused });
  }
  return found;
}

/** A text by phonemes that the page makes, and by espeak-ng that the worker fetches. */
export async function speakText({ source, options, text, voice, espeak }) {
  const letters = async (clauses) => clauses.map(({ words }) => words.toLowerCase().replace(/[^adefhijklmnopstuvwz ]/g, ''));
  const lengths = [];
  for (const how of [{ phonemizer: letters }, { espeak }]) {
    const model = await loadVoiceModel(source, { ...options, ...how });
    let length = 0;
    const phonemes = [];
    for await (const piece of model.speak(text, { voice })) {
      length += piece.samples.length;
      phonemes.push(piece.phonemes);
    }
    await model.dispose();
    lengths.push({ length, phonemes });
  }
  return lengths;
}

/** Two turns of a conversation. */
export async function talk({ source, options }) {
  const model = await loadTalkModel(source, options);
  const sound = { samples: Float32Array.from({ length: 8000 }, (_, t) => 0.3 * Math.sin(t / 9)), sampleRate: RATE };
  const answerOf = async (outputs) => {
    const answer = { text: '', samples: [] };
    for await (const output of outputs) {
      if (output.kind === 'text') answer.text += output.text;
      if (output.kind === 'samples') answer.samples.push(...output.samples);
    }
    return answer;
  };
  const once = await answerOf(model.talk({ sound }, { maxTokens: 12, seed: 3 }));
  const conversation = await model.open({ seed: 3 });
  const coming = await model.openSound(RATE);
  await coming.push(sound.samples);
  const opened = await answerOf(conversation.say({ sound: await coming.end() }, { maxTokens: 12 }));
  const { length } = conversation;
  await conversation.close();
  const over = await conversation.say({ text: 'more' }).next().catch(said);
  await model.dispose();
  return { once, opened, length, over };
}

/** Lengths of sounds as the browser decodes them, and what is said of none. */
export async function decode(urls) {
  const found = [];
  for (const url of urls) {
    const blob = await (await fetch(url)).blob();
    found.push(await openSound(blob).then(({ frames, sampleRate }) => frames / sampleRate, said));
  }
  return found;
}
