/** A microphone whose model goes while it is open. */
import { expect, it, vi } from 'vitest';
import { refreshModels, useTransport } from '../../app/state/models.ts';
import { microphone, toggleMicrophone } from '../../app/state/voice.ts';
import type { ModelEntry, Transport } from '../../app/transport/transport.ts';

// The page's layout asks at once how wide it is.
vi.hoisted(() => vi.stubGlobal('matchMedia', () => ({ matches: true, addEventListener() {} })));
vi.mock('../../app/state/sound.ts', () => ({ wavOf: async () => new Blob(['sound']), withSizes: async (blob: Blob) => blob }));

const track = { stop: vi.fn() };
vi.stubGlobal('navigator', { mediaDevices: { getUserMedia: async () => ({ getTracks: () => [track] }) } });
vi.stubGlobal(
  'MediaRecorder',
  class extends EventTarget {
    start() {}
    stop() {
      this.dispatchEvent(new Event('stop'));
    }
  },
);

it('is closed, and what was said goes to the model that was to hear it', async () => {
  const unknown = { bytes: undefined, fits: undefined, contextLength: undefined, takes: undefined, where: undefined };
  const ears: ModelEntry = { ...unknown, id: 'ears', name: 'ears', kind: 'speech', status: 'loaded' };
  let models: readonly ModelEntry[] = [ears];
  const transcribe = vi.fn(async () => 'a word');
  const listModels = async () => ({ models, noDownloads: undefined });
  useTransport({ kind: 'server', transcribe, listModels } as unknown as Transport);
  await refreshModels();
  const onText = vi.fn();
  toggleMicrophone(onText);
  await vi.waitFor(() => expect(microphone.value).toBe('on'));
  models = [];
  await refreshModels();
  toggleMicrophone(onText);
  expect(track.stop).toHaveBeenCalledTimes(1);
  await vi.waitFor(() => expect(microphone.value).toBe('off'));
  expect(transcribe).toHaveBeenCalledWith('ears', expect.any(Blob), expect.anything());
  expect(onText).toHaveBeenCalledWith('a word');
});
