import { useEffect, useRef } from 'preact/hooks';
import type { Live } from '../live.js';
import { go, linkTo, type Route } from '../route.js';
import { ThemeButton } from './theme-button.js';

const PLACES = [
  { view: '', name: 'Overview' },
  { view: 'devices', name: 'Devices' },
  { view: 'registrations', name: 'Registrations' },
  { view: 'enrolments', name: 'Enrolments' },
  { view: 'failures', name: 'Failures' },
];

const STATES: Record<Live['state'], string> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
  refused: 'no token',
};

/** Name, places, search, and whether what is shown is live. */
export function Header({ route, state, failing }: { route: Route; state: Live['state']; failing: number }) {
  return (
    <header class="top">
      <a class="brand" href={linkTo('')}>
        <img src="/icon.svg" alt="" width="26" height="26" /> zerotouch <span>local cloud</span>
      </a>
      <nav aria-label="Views">
        {PLACES.map(({ view, name }) => (
          <a key={view} href={linkTo(view)} aria-current={route.view === view ? 'page' : undefined}>
            {name}
            {view === 'failures' && failing > 0 && (
              <span class="badge">
                {failing.toLocaleString('en')}
                <span class="unseen"> failing devices</span>
              </span>
            )}
          </a>
        ))}
      </nav>
      <Search />
      <span class={`state ${state}`} role="status">
        {STATES[state]}
      </span>
      <ThemeButton />
    </header>
  );
}

/** Leads to a device by its id; `/` jumps here from anywhere. */
function Search() {
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const jump = (event: KeyboardEvent): void => {
      const { target } = event;
      if (event.key !== '/' || (target instanceof Element && target.matches('input, textarea, select'))) return;
      event.preventDefault();
      field.current?.focus();
    };
    addEventListener('keydown', jump);
    return () => removeEventListener('keydown', jump);
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    const id = field.current?.value.trim() ?? '';
    if (id !== '') go('device', { id });
  };
  return (
    <search class="search">
      <form onSubmit={submit}>
        <input
          ref={field}
          type="search"
          aria-label="Registration id or device id"
          placeholder="Find an id  /"
          aria-keyshortcuts="/"
          spellcheck={false}
        />
      </form>
    </search>
  );
}
