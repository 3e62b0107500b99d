import { useEffect, useState } from 'preact/hooks';

/** Where in the page somebody is: `#/devices?hub=..`, so that it can be bookmarked and gone back to. */
export interface Route {
  view: string;
  query: Record<string, string>;
}

/** The address of a place in the page. */
export function linkTo(view: string, query: Record<string, string | undefined> = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== '');
  const search = new URLSearchParams(given).toString();
  return `#/${view}${search === '' ? '' : `?${search}`}`;
}

export function go(view: string, query: Record<string, string | undefined> = {}): void {
  location.hash = linkTo(view, query);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(readRoute);
  useEffect(() => {
    const change = (): void => setRoute(readRoute());
    addEventListener('hashchange', change);
    return () => removeEventListener('hashchange', change);
  }, []);
  return route;
}

function readRoute(): Route {
  const [view = '', search = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return { view, query: Object.fromEntries(new URLSearchParams(search)) };
}
