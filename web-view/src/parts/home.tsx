import type { DeviceView } from '@zerotouch/cloud-sim/web/shapes';
import { shortHost } from '../format.js';
import { withoutService } from '../section.js';
import { Json } from './json.js';
import { MethodForm } from './method-form.js';
import { SectionEditor } from './section-editor.js';

/** A device at its hub: its twin to look into and to edit, a method to call. */
export function Home({ home: { host, device, twin }, changed }: { home: DeviceView['homes'][number]; changed(): void }) {
  const isConnected = device.connectionState === 'Connected';
  const { $version, ...reported } = twin.properties.reported;
  return (
    <div class="grid home">
      <section class="card" aria-labelledby={`twin-${host}`}>
        <h2 id={`twin-${host}`}>
          Twin at {shortHost(host)} <span class={`chip ${isConnected ? 'good' : ''}`}>{device.connectionState.toLowerCase()}</span>
        </h2>
        <SectionEditor host={host} twin={twin} section="desired" changed={changed} />
        <SectionEditor host={host} twin={twin} section="tags" changed={changed} />
      </section>
      <div>
        <section class="card" aria-labelledby={`reported-${host}`}>
          <h2 id={`reported-${host}`}>
            Reported <small>version {$version}</small>
          </h2>
          <Json label="Reported properties" value={withoutService(reported)} />
        </section>
        <MethodForm host={host} deviceId={device.deviceId} isConnected={isConnected} />
      </div>
    </div>
  );
}
