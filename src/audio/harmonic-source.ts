/**
 * What a voice is before mouth and nose: a pitch and its multiples where it is voiced, noise where it is not (the neural source filter,
 * Wang
 * et al. 2019, as iSTFTNet vocoders have it). In float64: phases grow with time.
 */

export interface HarmonicSourceShape {
  /** Samples a second. */
  readonly sampleRate: number;
  /** Samples of each value of the pitch. */
  readonly samplesPerValue: number;
  /** A weight for each harmonic, the pitch itself first. */
  readonly weights: ArrayLike<number>;
  readonly bias: number;
}

/** Of sine and noise, where there is a voice and where there is none. */
const SINE_AMPLITUDE = 0.1;
const VOICED_NOISE = 0.003;
const UNVOICED_NOISE = SINE_AMPLITUDE / 3;
/** Hertz: what is not above it is not voiced. */
const VOICED_ABOVE = 10;

/**
 * tanh of the weighted sum of sines and noise: samplesPerValue samples for each value of `pitch`, in hertz. A phase is the sum of its
 * steps, one for each value, drawn straight from the middle of one value's samples to that of the next; steps are taken modulo a turn, down
 * to 0, so that a pitch below 0 steps by almost a turn: what models were trained with.
 * @param noise of sample t: of the weighted sum of the harmonics' noise, each of variance 1
 */
export function harmonicSource(pitch: ArrayLike<number>, shape: HarmonicSourceShape, noise: (t: number) => number): Float32Array {
  const { samplesPerValue, weights, bias } = shape;
  const steps = stepsOf(pitch, shape);
  // Turns at the middle of each value's samples, whole ones left out.
  const turns = steps.map((ofHarmonic) => turnsOf(ofHarmonic, samplesPerValue));
  const areMultiples = Array.from(pitch, (hertz) => hertz >= 0 && hertz * weights.length < shape.sampleRate);
  const samples = new Float32Array(pitch.length * samplesPerValue);
  for (let t = 0; t < samples.length; t++) {
    const isVoiced = pitch[Math.floor(t / samplesPerValue)]! > VOICED_ABOVE;
    let sum = bias + (isVoiced ? VOICED_NOISE : UNVOICED_NOISE) * noise(t);
    if (isVoiced) {
      const place = Math.max(0, (t + 0.5) / samplesPerValue - 0.5);
      const value = Math.floor(place);
      const next = Math.min(value + 1, pitch.length - 1);
      const past = next === value ? 0 : (place - value) * samplesPerValue;
      sum += SINE_AMPLITUDE * (areMultiples[next]
        ? sumOfMultiples(2 * Math.PI * (turns[0]![value]! + past * steps[0]![next]!), weights)
        : sumOfSines(weights, (h) => 2 * Math.PI * (turns[h]![value]! + past * steps[h]![next]!)));
    }
    samples[t] = Math.tanh(sum);
  }
  return samples;
}

function sumOfSines(weights: ArrayLike<number>, angleOf: (harmonic: number) => number): number {
  let sum = 0;
  for (let h = 0; h < weights.length; h++) sum += weights[h]! * Math.sin(angleOf(h));
  return sum;
}

/** The same of an angle and its multiples, each sine of the two before it: where no harmonic's step leaves out a turn. */
function sumOfMultiples(angle: number, weights: ArrayLike<number>): number {
  const twice = 2 * Math.cos(angle);
  let [before, sine] = [0, Math.sin(angle)];
  let sum = 0;
  for (let h = 0; h < weights.length; h++) {
    sum += weights[h]! * sine;
    const next = twice * sine - before;
    before = sine;
    sine = next;
  }
  return sum;
}

/** By harmonic and value: the part of a turn that a sample takes, from 0 to below 1. */
function stepsOf(pitch: ArrayLike<number>, { sampleRate, weights }: HarmonicSourceShape): Float64Array[] {
  return Array.from({ length: weights.length }, (_, h) => Float64Array.from(pitch, (hertz) => {
    const step = (hertz * (h + 1)) / sampleRate;
    return step - Math.floor(step);
  }));
}

function turnsOf(steps: Float64Array, samplesPerValue: number): Float64Array {
  let turn = 0;
  return steps.map((step) => {
    turn += samplesPerValue * step;
    turn -= Math.floor(turn);
    return turn;
  });
}
