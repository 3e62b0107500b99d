import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseFleetSpec } from '@zerotouch/fleet-sim/spec';
import { addCloud } from '@zerotouch/scripts/verbs/cloud';
import { addFleet } from '@zerotouch/scripts/verbs/fleet';
import { addFleetWorker } from '@zerotouch/scripts/verbs/fleet-worker';
import { Command } from 'commander';
import t, { type Test } from 'tap';
import { parse, parseAllDocuments } from 'yaml';

const read = (name: string): string => readFileSync(fileURLToPath(new URL(`../../../deploy/${name}`, import.meta.url)), 'utf8');

/** The real command line, whose verbs do nothing. */
function takes(t: Test, args: readonly string[]): void {
  const program = new Command('zerotouch').option('--json').exitOverride();
  for (const add of [addCloud, addFleet, addFleetWorker]) add(program, async () => undefined);
  t.doesNotThrow(() => program.parse(args, { from: 'user' }), args.join(' '));
}

interface Container {
  name: string;
  image: string;
  args: string[];
  env?: { name: string; valueFrom: { secretKeyRef?: { name: string; key: string } } }[];
  volumeMounts?: { name: string; mountPath: string }[];
}

interface Manifest {
  kind: string;
  metadata: { name: string };
  data?: Record<string, string>;
  stringData?: Record<string, string>;
  spec?: {
    selector?: { app?: string; matchLabels?: Record<string, string> };
    ports?: { port: number }[];
    template?: {
      metadata?: { labels: Record<string, string> };
      spec: {
        containers: Container[];
        volumes?: { name: string; configMap?: { name: string }; persistentVolumeClaim?: { claimName: string } }[];
      };
    };
  };
}

const secretsIn = (args: readonly string[]): string[] => args.flatMap((arg) => /^env:(.+)$/.exec(arg)?.[1] ?? []);

t.test('the Kubernetes manifest says only what the command takes, and everything that it names is there', async (t) => {
  const documents = parseAllDocuments(read('kubernetes.yaml'));
  t.strictSame(
    documents.flatMap((document) => ('errors' in document ? document.errors : [])),
    [],
  );
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const named = (kind: string, name: string): Manifest | undefined =>
    manifests.find((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  for (const { kind, metadata, spec } of manifests) {
    const pod = spec?.template?.spec;
    if (kind === 'Deployment') t.strictSame(spec?.selector?.matchLabels, spec?.template?.metadata?.labels, metadata.name);
    for (const volume of pod?.volumes ?? []) {
      const { configMap, persistentVolumeClaim } = volume;
      if (configMap !== undefined) t.ok(named('ConfigMap', configMap.name), configMap.name);
      if (persistentVolumeClaim !== undefined) t.ok(named('PersistentVolumeClaim', persistentVolumeClaim.claimName), volume.name);
    }
    for (const { image, args, env = [], volumeMounts = [] } of pod?.containers ?? []) {
      for (const { valueFrom } of env) {
        const { secretKeyRef } = valueFrom;
        if (secretKeyRef !== undefined) t.type(named('Secret', secretKeyRef.name)?.stringData?.[secretKeyRef.key], 'string');
      }
      for (const { name } of volumeMounts)
        t.ok(
          pod?.volumes?.some((volume) => volume.name === name),
          name,
        );
      for (const name of secretsIn(args))
        t.ok(
          env.some((each) => each.name === name),
          `${name} is set`,
        );
      if (image.startsWith('zerotouch')) takes(t, args);
    }
  }
  const url = new URL(named('Secret', 'zerotouch-queue')?.stringData?.url ?? '');
  const service = named('Service', url.hostname);
  t.equal(service?.spec?.ports?.[0]?.port, Number(url.port));
  t.equal(url.password, named('Secret', 'zerotouch-queue')?.stringData?.password);
  t.match(named('Deployment', 'zerotouch-redis')?.spec?.template?.metadata?.labels, service?.spec?.selector);
  const spec = parseFleetSpec(named('ConfigMap', 'zerotouch-fleet')?.data?.['fleet.yaml'] ?? '', '/config/fleet.yaml');
  const worker = named('Deployment', 'zerotouch-worker')?.spec?.template?.spec.containers[0];
  t.ok(worker?.volumeMounts?.some(({ mountPath }) => mountPath === spec.images));
});

t.test('the compose file says only what the command takes, and everything that it names is there', async (t) => {
  interface Service {
    image: string;
    command: string[];
    environment?: Record<string, string>;
    network_mode?: string;
    depends_on?: Record<string, unknown>;
  }
  const { services } = parse(read('compose.yaml'), { merge: true }) as { services: Record<string, Service> };
  for (const [name, { image, command, environment = {}, network_mode: network, depends_on: needed = {} }] of Object.entries(services)) {
    for (const other of [...Object.keys(needed), ...(network === undefined ? [] : [network.replace('service:', '')])]) {
      t.ok(services[other], `${name} needs ${other}`);
    }
    for (const variable of secretsIn(command)) {
      const url = new URL(environment[variable] ?? '');
      t.ok(services[url.hostname], `${name} finds its queue`);
    }
    if (image.startsWith('zerotouch')) takes(t, command);
  }
});

t.test('the image is of this version', async (t) => {
  const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../../package.json', import.meta.url)), 'utf8')) as {
    version: string;
  };
  for (const file of ['Dockerfile', 'compose.yaml', 'kubernetes.yaml']) t.match(read(file), new RegExp(`zerotouch[:-]${version}`), file);
});
