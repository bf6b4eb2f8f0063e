/** One window of sound to tokens: the rules at each step, and another temperature where the answer is not to be believed. */
import { uniformAt } from '../../philox.ts';
import { compressionRatio, needsFallback, TEMPERATURES } from './answer-quality.ts';
import { decodeBeams } from './decode-beams.ts';
import { applyWhisperRules, logProbability, logSumExp } from './whisper-rules.ts';
import type { DecodedWindow, WindowAnswer, WindowRequest } from './window-request.ts';

/** The first believable answer of the temperatures, else the last. */
export async function decodeWindow(request: WindowRequest): Promise<WindowAnswer> {
  const { decoder, sound, prompt, beams, textOf, temperatures = TEMPERATURES } = request;
  const most = Math.min(Math.floor(decoder.contextLength / 2), decoder.contextLength - prompt.length);
  let answer: WindowAnswer | undefined;
  for (const temperature of temperatures) {
    sound.rewind(0);
    const said = await (temperature === 0 && beams !== undefined
      ? decodeBeams({ ...request, beams }, most)
      : decodeAt(request, temperature, most));
    answer = { ...said, temperature, compressionRatio: await compressionRatio(textOf(said.ids)) };
    if (!needsFallback(answer)) break;
  }
  return answer!;
}

async function decodeAt(
  { decoder, sound, prompt, rules, tokens, signal }: WindowRequest, temperature: number, most: number,
): Promise<DecodedWindow> {
  const { vocabSize } = decoder;
  const start = prompt.indexOf(tokens.startOfTranscript);
  const last = prompt.length - 1;
  const outputs = start === last ? [last] : [start, last];
  const all = await decoder.logits([{ sound, tokens: prompt, outputs }], signal);
  const noSpeechProbability = Math.exp(logProbability(all.subarray(0, vocabSize), tokens.noSpeech));
  let logits = all.slice((outputs.length - 1) * vocabSize, outputs.length * vocabSize);
  const ids: number[] = [];
  let sum = 0;
  for (;;) {
    applyWhisperRules(logits, ids, rules, tokens);
    const id = chosen(logits, temperature, ids.length);
    sum += logProbability(logits, id);
    if (id === tokens.endOfText) break;
    ids.push(id);
    if (ids.length >= most) break;
    logits = (await decoder.logits([{ sound, tokens: [id], outputs: [0] }], signal)).slice(0, vocabSize);
  }
  return { ids, noSpeechProbability, meanLogProbability: sum / (ids.length + 1) };
}

/** The likeliest token, or above temperature 0 one by chance: the same one for the same step and temperature, run for run. */
function chosen(logits: Float32Array, temperature: number, step: number): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  if (!(logits[best]! > -Infinity)) throw new Error('no token may follow: the logits hold no number, or the rules forbid all.');
  if (temperature === 0) return best;
  const cooled = logits.map((logit) => logit / temperature);
  const all = logSumExp(cooled);
  let left = uniformAt(Math.round(10 * temperature), step);
  for (let id = 0; id < cooled.length; id++) {
    left -= Math.exp(cooled[id]! - all);
    if (left < 0) return id;
  }
  return best;
}
