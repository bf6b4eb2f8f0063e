/** The golden's small Kokoro as a folder that a user would have, with voices in each form. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Phonemizer } from '../src/engine/speech/voice-model.ts';
import { f32Of, readFixtureTensors } from './fixture-tensors.ts';
import { KOKORO_FOLDER } from './kokoro-golden.ts';

/** A safetensors file of one tensor. */
function safetensorsOf(name: string, shape: readonly number[], values: Float32Array): Uint8Array {
  const header = JSON.stringify({ [name]: { dtype: 'F32', shape, data_offsets: [0, values.byteLength] } });
  const text = new TextEncoder().encode(header.padEnd(Math.ceil(header.length / 8) * 8));
  const file = new Uint8Array(8 + text.length + values.byteLength);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(text, 8);
  file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), 8 + text.length);
  return file;
}

/** Writes the model with voices af_heart (safetensors), af_bella (raw) and several that are wrong. @returns the folder */
export function makeVoiceFolder(folder: string): string {
  mkdirSync(join(folder, 'voices'), { recursive: true });
  for (const file of ['config.json', 'model.safetensors']) copyFileSync(join(KOKORO_FOLDER, file), join(folder, file));
  const voice = f32Of(readFixtureTensors(`${KOKORO_FOLDER}/golden.safetensors`), 'voice').slice();
  const shape = [voice.length / 20, 1, 20];
  const put = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, 'voices', name), bytes);
  put('af_heart.safetensors', safetensorsOf('voice', shape, voice));
  put('af_bella.bin', new Uint8Array(voice.map((value) => -value).buffer));
  put('am_wide.safetensors', safetensorsOf('voice', [voice.length / 10, 1, 10], voice));
  put('am_cut.bin', new Uint8Array(100));
  put('am_nan.safetensors', safetensorsOf('voice', shape, voice.map((value, i) => (i === 47 ? NaN : value))));
  put('jf_alpha.safetensors', safetensorsOf('voice', shape, voice));
  return folder;
}

/** In place of espeak-ng: what of the words the small model has phonemes for. */
export const letterPhonemizer: Phonemizer = async (clauses) =>
  clauses.map(({ words }) => words.toLowerCase().replace(/[^abdefhijklmnopstuvwz ]/g, '').replace(/\s+/g, ' ').trim());
