import type { ComponentChildren } from 'preact';

/** A column: its head, and how the stylesheet calls it where it is narrow or holds numbers. */
export type Column = string | { name: string; class: 'share' | 'count' };

/** A table under its heads, which scrolls by itself where it is wider than the page. */
export function Table({ columns, children }: { columns: readonly Column[]; children: ComponentChildren }) {
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {columns.map((column) => {
              const { name, class: kind } = typeof column === 'string' ? { name: column, class: undefined } : column;
              return (
                <th key={name} scope="col" class={kind}>
                  {name}
                </th>
              );
            })}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}
