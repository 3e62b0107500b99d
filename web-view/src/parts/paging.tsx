import { useState } from 'preact/hooks';

/** How many rows a page has. */
export const PAGE_ROWS = 50;

/** Where in a long list somebody is: the places that the pages before this one began after. */
export interface Place {
  /** Of the query for this page. */
  after: string | undefined;
  startsWith: string | undefined;
  page: number;
  find(startsWith: string): void;
  first(): void;
  back(): void;
  on(next: string): void;
}

export function usePlace(startsWith = ''): Place {
  const [{ trail, prefix }, setPlace] = useState<{ trail: string[]; prefix: string }>({ trail: [], prefix: startsWith });
  return {
    after: trail.at(-1),
    startsWith: prefix === '' ? undefined : prefix,
    page: trail.length + 1,
    find: (wanted) => setPlace({ trail: [], prefix: wanted }),
    first: () => setPlace({ trail: [], prefix }),
    back: () => setPlace({ trail: trail.slice(0, -1), prefix }),
    on: (next) => setPlace({ trail: [...trail, next], prefix }),
  };
}

/** Leads through the pages. A button that cannot be used keeps the focus. */
export function Pager({ place, next, shown }: { place: Place; next: string | undefined; shown: number }) {
  const button = (name: string, isOff: boolean, act: () => void) => (
    <button type="button" aria-disabled={isOff} onClick={() => isOff || act()}>
      {name}
    </button>
  );
  return (
    <nav class="pager" aria-label="Pages">
      {button('First', place.page === 1, place.first)}
      {button('Previous', place.page === 1, place.back)}
      {button('Next', next === undefined, () => place.on(next as string))}
      <span role="status">
        page {place.page}, {shown} shown{next === undefined ? ', the last page' : ''}
      </span>
    </nav>
  );
}

/** Shows only ids that begin with what is typed. */
export function PrefixField({ place, label }: { place: Place; label: string }) {
  return (
    <label class="field">
      {label}
      <input
        type="search"
        value={place.startsWith ?? ''}
        onInput={({ currentTarget }) => place.find(currentTarget.value)}
        spellcheck={false}
        autocomplete="off"
      />
    </label>
  );
}
