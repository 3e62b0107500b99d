import { type HubRate, hubRate } from '@zerotouch/azure-wire/hub-rates';
import { armChoices } from '@zerotouch/cloud-sim/api/arm/choices';
import { UNSERVED } from '@zerotouch/cloud-sim/api/arm/unserved';
import { serviceChoices } from '@zerotouch/cloud-sim/api/service/choices';
import { type Choice, dpsChoices, hubChoices } from '@zerotouch/cloud-sim/choices';

/** What is known not to be as in Azure, and why; one line each. */
const DIFFERENCES: readonly (readonly [what: string, here: string])[] = [
  ['regions', 'a region is an address of the loopback network (127.0.1.1 and so on); Azure has a front door a region behind one name'],
  ['latencies', 'computed from the distance between regions, or taken from a table of yours; Azure measures'],
  [
    'hash of "evenly weighted"',
    "weighted rendezvous hashing; Azure does not publish its own: the share of each hub is right, the hub of one device is not Azure's",
  ],
  ['allocation that is not custom', 'decided before the 202 is sent, so that the first poll finds it done; Azure takes a second or more'],
  [
    'built-in Event Hubs endpoint',
    'not there: telemetry is read by `cloud.hub(host).events()`, as server-sent events at `GET /zerotouch/events` of the hub (right ServiceConnect), or with `zerotouch hub monitor`; the latest 1,000 messages are kept',
  ],
  ['file upload, jobs, digital twins', 'refused by name: 501 NotSupported over HTTPS, amqp:not-implemented over AMQP'],
  [
    'automatic configurations',
    'device content only; of IoT Edge deployments `applyConfigurationContent` for one device, which writes the twins of its modules',
  ],
  ['`lastActivityTime`, connection states', 'begin anew with the process'],
  ['query language', 'no ORDER BY, no joins, no functions of your own; results in the order of the ids'],
  ['`retry-after` over HTTPS', 'whole seconds, rounded up (RFC 9110); over MQTT and AMQP fractions as they were asked for'],
  [
    'refusals before a registration is heard',
    'over HTTPS and AMQP 400004 for what cannot be read (id, api-version), 401000 without a usable credential, 401002 for another ID scope; 404000 and 415000 for foreign paths and types: no source has the digits',
  ],
  ['a link without api-version over AMQP', 'is taken for the oldest version that is served'],
  [
    'SASL over AMQP',
    'PLAIN, EXTERNAL, TPM, MSSBCBS and ANONYMOUS are offered, none is needed with a certificate; a wrong token is told at register, not in the SASL outcome',
  ],
  ['TPM', 'RSA endorsement and storage root keys; the last field of the key blob (data) is empty'],
  [
    'half-dead AMQP connections',
    'at DPS ten minutes of silence end one, at a hub TCP finds out; no heartbeats are asked for, those a client asks for are sent',
  ],
  [
    'several devices on one AMQP connection',
    'up to 1,000; one that is disabled, replaced or whose token ends loses its links (amqp:link:detach-forced), a device that is alone ends the connection; no source has the error',
  ],
  ['lifetime of an operation', 'only the latest operation of a registration can be asked for, as long as the registration is kept'],
  ['TLS', '1.2 and 1.3; sessions are never resumed, since a resumed one proves no possession of a key'],
  [
    'throttles',
    'counted by the one process that decides, also with `--workers`; they begin anew when it is started again. What a hub takes is in the table at the end',
  ],
  ['`--workers`', 'processes that do TLS alone; a renegotiation is refused, as without them'],
  ['reasons', 'the real reason of each refusal is kept and shown; Azure keeps it to itself'],
  ['IoT Edge', 'edge devices get `$edgeAgent` and `$edgeHub`, modules sign in and have twins; messages are not routed between modules'],
  ['Entra ID', 'not modelled: shared access policies only; the resource manager has one service principal, which may do everything'],
  [
    'resources',
    'are ready when the first answer goes out; Azure takes minutes. One DPS, `zerotouch`, is always there and cannot be deleted',
  ],
  [
    'properties of a hub',
    '`cloudToDevice` (delivery count, default time to live) has its effect; `eventHubEndpoints`, `messagingEndpoints`, `features`, `minTlsVersion`, `enableDataResidency` and `comments` are kept and shown; of a DPS `enableDataResidency` is not',
  ],
  ['a hub that was deleted', 'stays away when a cloud with `--data` is started again, also one of its options, until it is made anew'],
  ['size of a hub', 'rates follow tier and units; of the basic tiers everything works, daily quotas and prices are not kept'],
  [
    'linking a hub',
    'the policy of the connection string is looked up at once, and a link by which DPS could do nothing (key, rights, host) is refused by name; a key that is regenerated later goes stale as in Azure',
  ],
];

/** docs/differences-from-azure.md: what is not the same, and what was chosen where no source says what Azure does. */
export function differencesDocument(): string {
  return `# Differences from Azure

What official clients do against Azure they do against the local cloud unchanged. What is not the same is here, all of it.

## Known differences

| what | here |
| --- | --- |
${DIFFERENCES.map(([what, here]) => `| ${what} | ${here} |`).join('\n')}

## Operations of the resource manager that are refused

From \`cloud-sim/api/arm/unserved.ts\`. Other providers, and what no specification file names, are refused with 404.

${unserved()}

## Our choices in the resource manager

From \`cloud-sim/api/arm/choices.ts\`.

${table(armChoices)}

## Our choices at DPS

No source says what Azure does here. Each was decided once, in \`cloud-sim/choices.ts\`; this table is made from there by \`npm run docs\`.

${table(dpsChoices)}

## Our choices in the service API of DPS

From \`cloud-sim/api/service/choices.ts\`.

${table(serviceChoices)}

## Our choices at the hub

${table(hubChoices)}

## How much a hub takes

With \`limits: azure\` (an option of \`startCloud\`, and a line of the file for \`zerotouch cloud\`) every hub keeps the rates of its tier and units, from \`azure-wire/hub-rates.ts\`; without, none. What comes
above is refused with 429001 ThrottlingException and \`retry-after\` over HTTPS, \`com.microsoft:device-container-throttled\` over AMQP and 429 in the
reply of a twin operation over MQTT; a connection over MQTT is refused with CONNACK ${hubChoices.throttledConnection.value}. Telemetry is held back for up to
${hubChoices.longestShaping.value} s first, and over MQTT, which has no other refusal, closes its connection after that. Messages to a device wait in its queue. A rate may come
${hubChoices.throttleBurst.value} s at once.

${rates()}
`;
}

const RATES: Readonly<Record<HubRate, string>> = {
  registry: 'operations on the registry: create, read, list, change, delete, bulk',
  connections: 'new connections; over HTTPS, each request',
  telemetry: 'messages of devices; of a batch, each',
  messagesSent: 'messages to devices, sent',
  messagesReceived: 'messages to devices, received',
  methodBytes: 'direct methods, KB; at least 4 KB each',
  queries: 'queries',
  twinReads: 'twin reads, of devices and services together',
  twinUpdates: 'twin updates, of devices and services together',
  configurations: 'operations on configurations',
};

/** Every rate by tier, of one unit and of ten. */
function rates(): string {
  const tiers = ['S1', 'S2', 'S3'] as const;
  const rows = Object.entries(RATES).map(([rate, what]) => {
    const scale = rate === 'methodBytes' ? 1 / 1024 : 1;
    const cells = tiers.map((tier) => [1, 10].map((units) => perTime(hubRate(rate as HubRate, tier, units) * scale)).join('; '));
    return `| ${what} | ${cells.join(' | ')} |`;
  });
  return [`| one unit; ten units | ${tiers.join(' | ')} |`, '| --- | --- | --- | --- |', ...rows].join('\n');
}

/** As Azure writes it: a second, or a minute where that is less than ten a second. */
function perTime(perSecond: number): string {
  const number = (value: number): string => Math.round(value).toLocaleString('en');
  return Number.isInteger(perSecond) ? `${number(perSecond)}/s` : `${number(perSecond * 60)}/min`;
}

function unserved(): string {
  const rows = UNSERVED.map(({ what, type, paths, instead }) => {
    const operations = paths.map(({ path, methods }) => `\`${methods.join(' ')} ${path.replace(/:\w+/g, '{}')}\``);
    return `| ${what} | ${type} | ${operations.join('<br>')} | ${instead} |`;
  });
  return ['| what | of | operations | instead |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function table(choices: Readonly<Record<string, Choice<unknown>>>): string {
  const rows = Object.entries(choices).map(([name, { value, why }]) => `| \`${name}\` | ${words(value)} | ${why.replaceAll('|', '\\|')} |`);
  return ['| choice | what we do | why |', '| --- | --- | --- |', ...rows].join('\n');
}

function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const { code, message } = value as { code?: unknown; message?: unknown };
  return code === undefined ? JSON.stringify(value) : `${code} ${message}`;
}
