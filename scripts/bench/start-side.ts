import { createRequire } from 'node:module';

/** One start of a device in a process of its own, for `npm run bench -- start`: as we do it, or by hand with the bare official SDK. */
export interface StartOrder {
  readonly kind: 'zerotouch' | 'bare SDK';
  readonly client: 'sdk' | 'wire';
  /** The module that has our `powerOn`. */
  readonly device: string;
  /** The image, for us; what is in it, for the SDK. */
  readonly image: string;
  readonly identity: { readonly idScope: string; readonly registrationId: string; readonly cert: string; readonly key: string };
  /** The hub that an earlier start was given; absent: a cold start. */
  readonly hub?: string;
  readonly port: number;
  readonly ca: string;
  /** Stay connected when it has been told, until the process is ended. */
  readonly stay?: boolean;
}

/** From before the first import to configured and reported. */
export interface StartAnswer {
  readonly cpuMs: number;
  readonly ms: number;
  /** Of it, before `powerOn` is called: our own code is read. Nothing for the SDK, whose code an application's own start is made of. */
  readonly readCpuMs: number;
  readonly readMs: number;
  readonly hub: string;
}

process.on('message', (order: StartOrder) => {
  const began = performance.now();
  const before = process.cpuUsage();
  const start = order.kind === 'zerotouch' ? ours(order) : byHand(order);
  start.then(
    async ({ hub, read, end }) => {
      const ms = performance.now() - began;
      const cpuMs = cpuSince(before);
      if (order.stay !== true) await end();
      process.send?.({ cpuMs, ms, readCpuMs: read.cpuMs, readMs: read.ms, hub } satisfies StartAnswer);
    },
    (error: unknown) => {
      process.stderr.write(`bench: ${order.kind}: ${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => process.exit(0));

type MqttBase = NonNullable<ConstructorParameters<typeof import('azure-iot-provisioning-device-mqtt')['Mqtt']>[0]>;
type MqttBaseModule = { MqttBase: new () => MqttBase };
type Started = Promise<{ hub: string; read: { cpuMs: number; ms: number }; end: () => Promise<unknown> }>;

async function ours({ client, device: module, image, port, ca }: StartOrder): Started {
  const [before, began] = [process.cpuUsage(), performance.now()];
  const { powerOn } = (await import(module)) as typeof import('@zerotouch/firmware-sim/runtime/power-on');
  const read = { cpuMs: cpuSince(before), ms: performance.now() - began };
  const at = { host: 'localhost', port };
  const device = await powerOn({ flash: image, client, endpoint: { dpsHost: at.host, dpsPort: port, gateway: at, ca } });
  return { hub: device.hub ?? '', read, end: () => device.stop() };
}

/** What an application does that has nothing but the SDK: provision, connect, get the twin, report. It remembers its hub, too. */
async function byHand({ identity, hub: known, port, ca }: StartOrder): Started {
  const { idScope, registrationId, cert, key } = identity;
  const where = `localhost:${port}`;
  const hub = known ?? (await provision());
  const { default: device } = await import('azure-iot-device');
  const { default: mqtt } = await import('azure-iot-device-mqtt');
  const provider = new device.X509AuthenticationProvider({
    host: hub,
    deviceId: registrationId,
    gatewayHostName: where,
    x509: { cert, key },
  });
  const client = new device.Client(new mqtt.Mqtt(provider));
  await client.setOptions({ ca });
  await client.open();
  const twin = await client.getTwin();
  await new Promise<void>((resolve, reject) => {
    const config = { desiredVersion: twin.properties.desired.$version, status: 'applied' };
    twin.properties.reported.update({ config }, (error: Error | null) => (error ? reject(error) : resolve()));
  });
  return { hub, read: { cpuMs: 0, ms: 0 }, end: () => client.close() };

  async function provision(): Promise<string> {
    const { default: provisioning } = await import('azure-iot-provisioning-device');
    const { default: transport } = await import('azure-iot-provisioning-device-mqtt');
    const { X509Security } = await import('azure-iot-security-x509');
    // The one way to trust another authority than those of the runtime.
    const own = createRequire(createRequire(import.meta.url).resolve('azure-iot-provisioning-device-mqtt'));
    const base = new (own('azure-iot-mqtt-base') as MqttBaseModule).MqttBase();
    base.setOptions({ ca });
    const security = new X509Security(registrationId, { cert, key });
    const dps = provisioning.ProvisioningDeviceClient.create(where, idScope, new transport.Mqtt(base), security);
    const { assignedHub } = (await dps.register()) as { assignedHub: string };
    return assignedHub;
  }
}

function cpuSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
