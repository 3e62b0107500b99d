/** A value of a metric, with the labels that tell it from its siblings. */
export interface Sample {
  readonly value: number;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A metric as Prometheus takes it. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'gauge' | 'counter';
  readonly samples: readonly Sample[];
}

/** Content type of {@link exposition}. */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Metrics in Prometheus' text format 0.0.4. A few lines of our own: the device package takes no dependency for them; the tests hold it against
 * prom-client. Source: prometheus.io/docs/instrumenting/exposition_formats.
 */
export function exposition(metrics: readonly Metric[]): string {
  return `${metrics.map(block).join('\n\n')}\n`;
}

function block({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ value, labels = {} }) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`);
    return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numeral(value)}`;
  });
  return [`# HELP ${name} ${escaped(help)}`, `# TYPE ${name} ${type}`, ...lines].join('\n');
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function numeral(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
}
