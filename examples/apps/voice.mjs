// A spoken question, a spoken answer: node voice.mjs question.wav answer.wav. Hears with Moonshine, speaks with Kokoro.
import { readFile, writeFile } from 'node:fs/promises';
import { argv, env } from 'node:process';
import { pathToFileURL } from 'node:url';
import {
  bundledModelPath, collect, encodeWav, loadModel, loadSpeechModel, loadVoiceModel, memorySource, openAudio, pullModel,
} from 'ingot';

/** @returns what was heard, what was answered, and that as a WAV file */
export async function replyTo(bytes, { ears, model, voice }) {
  const { text: heard } = await ears.transcribe(await openAudio(memorySource(bytes, 'question')));
  const messages = [{ role: 'user', content: heard }];
  const answer = await collect(model.generate({ messages, temperature: 0, reasoning: false, maxTokens: 60 }));
  const sounds = [];
  for await (const { samples } of voice.speak(answer.text)) sounds.push(samples);
  const samples = new Float32Array(sounds.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const sound of sounds) {
    samples.set(sound, at);
    at += sound.length;
  }
  return { heard, answered: answer.text, wav: encodeWav(samples, { sampleRate: voice.info.sampleRate, channels: 1 }) };
}

if (argv[1] !== undefined && import.meta.url === pathToFileURL(argv[1]).href) {
  const ears = await loadSpeechModel(await pullModel('moonshine-tiny-en'));
  const model = await loadModel(env.MODEL ?? bundledModelPath());
  const voice = await loadVoiceModel(env.VOICE ?? 'kokoro:82m'); // its phonemes come from espeak-ng: npm install espeak-ng
  try {
    const { heard, answered, wav } = await replyTo(await readFile(argv[2]), { ears, model, voice });
    console.log(`> ${heard}\n${answered}`);
    await writeFile(argv[3] ?? 'answer.wav', wav);
  } finally {
    await Promise.all([ears.dispose(), model.dispose(), voice.dispose()]);
  }
}
