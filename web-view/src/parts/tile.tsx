/** One number that matters. */
export function Tile({ name, value, tone = 'plain' }: { name: string; value: string; tone?: 'plain' | 'good' | 'bad' | 'code' }) {
  return (
    <div class={`tile ${tone}`}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
