/** Models that hear and speak, in the engine's worker. */
import { createCpuExecutor } from '../cpu/cpu-executor.ts';
import { openTokenizer } from '../engine/open-tokenizer.ts';
import { openSpeechModel } from '../engine/speech/open-speech-model.ts';
import { openVoiceDetector } from '../engine/speech/open-voice-detector.ts';
import { openVoiceModel } from '../engine/speech/open-voice-model.ts';
import type { SpeechModel } from '../engine/speech/speech-model.ts';
import type { VoiceDetector } from '../engine/speech/voice-detector.ts';
import type { VoiceModel } from '../engine/speech/voice-model.ts';
import { openTalkModel } from '../engine/talk/open-talk-model.ts';
import type { TalkModel } from '../engine/talk/talk-model.ts';
import { memorySource } from '../files/memory-source.ts';
import { openCheckpoint } from '../files/open-checkpoint.ts';
import type { ByteSource } from '../tensor/byte-source.ts';
import type { Checkpoint } from '../tensor/checkpoint.ts';
import type { CancelSignal } from '../tensor/platform.ts';
import { requireTokenizer } from '../text/load-tokenizer.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import type { SpeechLoadOptions, TalkLoadOptions, VoiceLoadOptions } from './engine-shape.ts';
import { fetchPhonemizer, noPhonemizer } from './fetch-espeak.ts';
import { fetchFile } from './fetch-module.ts';
import { fetchKernelModules } from './fetch-kernel-modules.ts';
import { locateFile } from './locate-files.ts';
import type { InWorker } from './model-shape.ts';
import { openSource } from './open-source.ts';
import type { ModelSource } from './open-source.ts';
import { createThreadHost } from './thread-host.ts';
import { loadFrom } from './worker-load.ts';

export function loadSpeechModel(source: ModelSource, options: SpeechLoadOptions): Promise<InWorker<SpeechModel>> {
  const { quantize, signal } = options;
  return loadFrom(source, options, async ({ executor, location, report }) => {
    const checkpoint = await openCheckpoint(location, { signal });
    try {
      return await openSpeechModel({
        checkpoint,
        executor,
        quantize,
        signal,
        onProgress: report,
        openTokenizer: () => tokenizerOf(checkpoint, options),
        openDetector: (own) => detectorOf(options, own?.signal),
      });
    } finally {
      await checkpoint.close();
    }
  });
}

export function loadVoiceModel(source: ModelSource, options: VoiceLoadOptions): Promise<InWorker<VoiceModel>> {
  const { mostFrames, espeak, phonemizer = espeak ? fetchPhonemizer(espeak) : noPhonemizer, signal } = options;
  return loadFrom(source, options, async ({ executor, location, report, keepFiles }) => {
    // Voices are read when they are first spoken with.
    keepFiles();
    return openVoiceModel(location, { executor, mostFrames, phonemizer, signal, onProgress: report });
  });
}

export function loadTalkModel(source: ModelSource, options: TalkLoadOptions): Promise<InWorker<TalkModel>> {
  const { quantize, contextLength, mostSeconds, signal } = options;
  return loadFrom(source, options, async ({ executor, location, report }) => {
    const checkpoint = await openCheckpoint(location, { signal });
    try {
      const openOwn = () => tokenizerOf(checkpoint, options);
      const room = { contextLength, mostSeconds };
      return await openTalkModel({ ...room, checkpoint, executor, openTokenizer: openOwn, quantize, signal, onProgress: report });
    } finally {
      await checkpoint.close();
    }
  });
}

async function tokenizerOf(
  checkpoint: Checkpoint,
  { tokenizer, cache, hub, baseUrl, signal }: Pick<SpeechLoadOptions, 'tokenizer' | 'cache' | 'hub' | 'baseUrl' | 'signal'>,
): Promise<Tokenizer> {
  if (tokenizer === undefined) return requireTokenizer(checkpoint, 'Name another place of it (tokenizer).');
  const { location, release } = await openSource(tokenizer, { cache, hub, baseUrl, signal });
  try {
    return await openTokenizer(location, { signal });
  } finally {
    release();
  }
}

/** On one thread of the CPU, whatever the model computes on: a piece is too little work for more. */
async function detectorOf(
  { detector, kernels, baseUrl }: Pick<SpeechLoadOptions, 'detector' | 'kernels' | 'baseUrl'>,
  signal: CancelSignal | undefined,
): Promise<VoiceDetector> {
  const source = await detectorSource(detector, { baseUrl, signal });
  const modules = await fetchKernelModules({ ...kernels, signal });
  const executor = await createCpuExecutor({ threads: 1, modules, threadHost: createThreadHost({ mayShare: false }) });
  return openVoiceDetector(source, executor, { signal });
}

interface DetectorPlace {
  readonly baseUrl: string;
  readonly signal: CancelSignal | undefined;
}

async function detectorSource(detector: SpeechLoadOptions['detector'], { baseUrl, signal }: DetectorPlace): Promise<ByteSource> {
  const file = await locateFile(detector);
  if (file !== undefined) return (await file.folder.open(file.fileName))!;
  // Written out, so that bundlers see the file.
  const own = new URL('../../models/silero-vad-16k.safetensors', import.meta.url);
  const url = detector === undefined ? own : new URL(detector as string, baseUrl);
  const bytes = await fetchFile(url, {
    need: "Silero's voice detector is needed",
    remedy:
      "A bundler that moves this package's code must move it too: " +
      'else pass the URL of ingot/models/silero-vad-16k.safetensors as detector.',
    signal,
  });
  return memorySource(bytes, url.href);
}
