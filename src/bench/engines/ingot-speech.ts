/** Models that hear and that speak, as a user of the library has them. */
import { openAudio } from '../../audio/open-audio.ts';
import { fileSource } from '../../node/file-source.ts';
import { loadSpeechModel } from '../../node/load-speech-model.ts';
import { loadVoiceModel } from '../../node/load-voice-model.ts';
import { packageVersion } from '../../node/package-root.ts';
import { ownMemory } from '../engine.ts';
import type { EngineSettings, OpenEngine } from '../engine.ts';
import { deviceOf } from './ingot-device.ts';

const optionsOf = (settings: EngineSettings) => ({
  device: deviceOf(settings), threads: settings.device === 'cpu' ? settings.threads : undefined,
});

export async function openHearing(settings: EngineSettings): Promise<OpenEngine> {
  const model = await loadSpeechModel(settings.modelPath, optionsOf(settings));
  return {
    facts: { version: packageVersion(), device: model.info.device, flags: {} },
    async hear(path) {
      const sound = await openAudio(await fileSource(path), {});
      const startMs = performance.now();
      const { seconds } = await model.transcribe(sound);
      return { ms: performance.now() - startMs, seconds };
    },
    memory: ownMemory,
    close: () => model.dispose(),
  };
}

export async function openSpeaking(settings: EngineSettings): Promise<OpenEngine> {
  const model = await loadVoiceModel(settings.modelPath, optionsOf(settings));
  const { sampleRate, device } = model.info;
  return {
    facts: { version: packageVersion(), device, flags: { sampleRate } },
    async speak(text) {
      const startMs = performance.now();
      let [firstMs, samples] = [0, 0];
      for await (const piece of model.speak(text)) {
        if (samples === 0) firstMs = performance.now() - startMs;
        samples += piece.samples.length;
      }
      return { firstMs, ms: performance.now() - startMs, seconds: samples / sampleRate };
    },
    memory: ownMemory,
    close: () => model.dispose(),
  };
}
