/** Families of figures in Prometheus' text form: https://prometheus.io/docs/instrumenting/exposition_formats/ */

export type Labels = Readonly<Record<string, string>>;

export interface Histogram {
  readonly bounds: readonly number[];
  /** By bound, and of what is beyond the last. */
  readonly counts: number[];
  sum: number;
}

/** @param bounds upper ones, in their order */
export function createHistogram(bounds: readonly number[]): Histogram {
  return { bounds, counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 };
}

export function observe(to: Histogram, value: number, times = 1): void {
  let bucket = 0;
  while (bucket < to.bounds.length && value > (to.bounds[bucket] as number)) bucket++;
  to.counts[bucket] = (to.counts[bucket] as number) + times;
  to.sum += value * times;
}

/** One metric of several models. */
export interface Family {
  readonly name: string;
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly values: readonly (readonly [labels: Labels, value: number | Histogram])[];
}

function escape(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function sample(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(text)}"`);
  return `${pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`} ${value}`;
}

function histogramSamples(name: string, labels: Labels, { bounds, counts, sum }: Histogram): string[] {
  let count = 0;
  const buckets = [...bounds.map(String), '+Inf'].map((le, index) => {
    count += counts[index] as number;
    return sample(`${name}_bucket`, { ...labels, le }, count);
  });
  return [...buckets, sample(`${name}_sum`, labels, sum), sample(`${name}_count`, labels, count)];
}

export function printFamily({ name, type, help, values }: Family): string {
  const lines = values.flatMap(([labels, value]) =>
    typeof value === 'number' ? [sample(name, labels, value)] : histogramSamples(name, labels, value));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines, ''].join('\n');
}
