/** How tokens are chosen. An empty field is as the model has it. */
import { currentSettings, setSettings } from '../state/conversations.ts';
import type { Sampling } from '../transport/transport.ts';

type NumberName = Exclude<keyof Sampling, 'stop' | 'thinks'>;

interface Field {
  readonly name: NumberName;
  readonly label: string;
  readonly min?: number;
  readonly max?: number;
  readonly step?: number;
}

const FIELDS: readonly Field[] = [
  { name: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.1 },
  { name: 'topP', label: 'Top p', min: 0, max: 1, step: 0.05 },
  { name: 'topK', label: 'Top k', min: 0, step: 1 },
  { name: 'minP', label: 'Min p', min: 0, max: 1, step: 0.01 },
  { name: 'repetitionPenalty', label: 'Repetition penalty', min: 0.1, max: 2, step: 0.05 },
  { name: 'presencePenalty', label: 'Presence penalty', min: -2, max: 2, step: 0.1 },
  { name: 'frequencyPenalty', label: 'Frequency penalty', min: -2, max: 2, step: 0.1 },
  { name: 'maxTokens', label: 'Most tokens', min: 1, step: 1 },
  { name: 'seed', label: 'Seed', min: 0, step: 1 },
];

function setSampling(part: Partial<Sampling>): void {
  setSettings({ sampling: { ...currentSettings.value.sampling, ...part } });
}

function NumberField({ name, label, ...bounds }: Field) {
  const value = currentSettings.value.sampling[name];
  const change = (event: Event) => {
    const input = event.currentTarget as HTMLInputElement;
    if (input.value === '') setSampling({ [name]: undefined });
    else if (input.validity.valid) setSampling({ [name]: Number(input.value) });
  };
  return (
    <label>
      {label}
      <input
        type="number"
        {...bounds}
        step={bounds.step === 1 ? 1 : 'any'}
        value={value ?? ''}
        placeholder="model's own"
        onInput={change}
      />
    </label>
  );
}

export function SamplingFields() {
  const { stop = [], thinks = true } = currentSettings.value.sampling;
  const setStop = (text: string) => setSampling({ stop: text.split('\n').filter((line) => line !== '') });
  return (
    <>
      <div class="fields">
        {FIELDS.map((field) => (
          <NumberField key={field.name} {...field} />
        ))}
      </div>
      <label>
        Texts that end an answer, a line each
        <textarea rows={2} defaultValue={stop.join('\n')} onInput={({ currentTarget: { value } }) => setStop(value)} />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={thinks}
          onChange={({ currentTarget: { checked } }) => setSampling({ thinks: checked ? undefined : false })}
        />
        Let the model think before it answers, where it can
      </label>
    </>
  );
}
