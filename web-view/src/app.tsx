import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { Client } from './client.js';
import { GroundContext } from './context.js';
import { follow, type Live } from './live.js';
import { Header } from './parts/header.js';
import { useRoute } from './route.js';
import { DeviceView } from './views/device.js';
import { DevicesView } from './views/devices.js';
import { EnrolmentsView } from './views/enrolments.js';
import { FailuresView } from './views/failures.js';
import { OverviewView } from './views/overview.js';
import { RegistrationsView } from './views/registrations.js';

const VIEWS: Record<string, (props: { query: Record<string, string> }) => preact.JSX.Element> = {
  '': OverviewView,
  devices: DevicesView,
  device: DeviceView,
  enrolments: EnrolmentsView,
  registrations: RegistrationsView,
  failures: FailuresView,
};

/** The whole page: a frame that stays, and the view that the address names. */
export function App({ client }: { client: Client }) {
  const route = useRoute();
  const [live, setLive] = useState<Live>();
  const main = useRef<HTMLElement>(null);
  useEffect(() => {
    const ended = new AbortController();
    void follow(client, setLive, ended.signal);
    return () => ended.abort();
  }, [client]);
  const isFirst = useRef(true);
  useEffect(() => {
    // Who works by keyboard or listens goes on in the new view, not at the top of the frame.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
    scrollTo(0, 0);
  }, [route.view, route.query.id]);
  const ground = useMemo(() => live && { client, live }, [client, live]);
  const View = VIEWS[route.view] ?? OverviewView;
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <GroundContext.Provider value={ground}>
        <Header route={route} state={live?.state ?? 'connecting'} failing={live?.failures.devices ?? 0} />
        <main id="main" ref={main} tabIndex={-1}>
          {ground === undefined ? <p class="quiet">Connecting…</p> : live?.state === 'refused' ? <Refused /> : <View query={route.query} />}
        </main>
      </GroundContext.Provider>
    </>
  );
}

function Refused() {
  return (
    <section class="card notice">
      <h1>This page has no token</h1>
      <p>
        Only who started the local cloud may drive it. Open the whole address that <code>zerotouch cloud --web</code> printed in its
        terminal; the part behind the <code>#</code> is the token. It changes with every start.
      </p>
    </section>
  );
}
