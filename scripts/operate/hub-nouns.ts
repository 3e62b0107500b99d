import { certificateNoun } from './certificate-noun.js';
import { AUTHENTICATION, configurations, identities, invokeMethod, query, twins } from './devices.js';
import { connectionStrings, hubs, policies } from './hub.js';
import { purgeMessages, sendMessage } from './messages.js';
import { type NounRow, type OptionRow, verb } from './nouns.js';
import { count, json, needed, row, secret, yesNo } from './rows.js';

const KEY_TYPES = { choices: ['primary', 'secondary'], default: 'primary' } as const;
const SKUS = { choices: ['F1', 'B1', 'B2', 'B3', 'S1', 'S2', 'S3'] } as const;

const group = row('--resource-group -g <name>', 'resource group');
const itself = row('--hub-name --name -n <name>', 'name of the hub');
const hub = row('--hub-name -n <name>', 'name or host name of the hub');
const login = secret('--login -l', 'connection string of the hub');
const at = [group, hub, login];
const etag = row('--etag -e <etag>', 'only when it is still this one; default: whatever it is');
const top = count('--top', 'at most so many; -1: all', -1);
const tags = row('--tags <tags...>', 'tags: key=value ...');
const set = row('--set <assignments...>', 'members to change: path.to.member=value ...');

const onHub = [group, row('--hub-name <name>', 'name of the hub')];
const policy = needed(row('--name -n <name>', 'name of the policy'));

const device = needed(row('--device-id -d <id>', 'the device'));
const module = needed(row('--module-id -m <id>', 'the module'));
const proof: OptionRow[] = [
  row('--auth-method --am <method>', 'how it proves itself; default: by a symmetric key', { choices: Object.keys(AUTHENTICATION) }),
  secret('--primary-key --pk', 'symmetric key in base64; default: made'),
  secret('--secondary-key --sk', 'symmetric key in base64; default: made'),
  row('--primary-thumbprint --ptp <hex>', 'thumbprint of its certificate'),
  row('--secondary-thumbprint --stp <hex>', 'thumbprint of its second certificate'),
];
const edge = yesNo('--edge-enabled --ee', 'an IoT Edge device');
const status = [
  row('--status --sta <status>', 'whether it may connect', { choices: ['enabled', 'disabled'] }),
  row('--status-reason --star <text>', 'why'),
];
const keyType = row('--key-type --kt <type>', 'key to use', KEY_TYPES);
const twinOptions = [
  etag,
  json('--tags', 'tags to lay over those there are'),
  json('--desired', 'desired properties to lay over those there are; null takes one away'),
  set,
];
// --json is an option of the command itself here.
const whole = needed(json('--twin -j', 'the whole twin'));
const method = [
  needed(row('--method-name --mn <name>', 'the method')),
  { ...json('--method-payload --mp', 'what it is handed'), default: {} },
  { ...count('--timeout --to', 'seconds to wait for the answer', 5), default: 30 },
  count('--method-connect-timeout --mct', 'seconds to wait until it connects; default: as long as for the answer'),
];
const configuration = needed(row('--config-id -c <id>', 'the configuration'));

const policyToUse = row('--policy-name --pn <name>', 'policy to use', { default: 'iothubowner' });
const ofOldName = (cloud: Parameters<typeof connectionStrings.ofHub>[0], given: { key?: 'primary' | 'secondary' }): Promise<object> =>
  connectionStrings.ofHub(cloud, { ...given, keyType: given.key ?? 'primary' });

/** Everything after `zerotouch hub`, besides `monitor`. */
export const hubNouns: readonly NounRow[] = [
  {
    name: 'hub',
    is: 'IoT hubs of the local cloud',
    verbs: [
      verb('list', 'list the hubs', [group], hubs.list),
      verb('show', 'show a hub', [group, itself], hubs.show),
      verb(
        'create',
        'make a hub',
        [
          row('--resource-group -g <name>', 'resource group; default: the first one'),
          needed(itself),
          row('--location -l <region>', 'region; default: that of the group'),
          row('--sku <name>', 'pricing tier', { ...SKUS, default: 'S1' }),
          { ...count('--unit', 'units', 1), default: 1 },
          tags,
        ],
        hubs.create,
      ),
      verb(
        'update',
        'change a hub',
        [group, itself, row('--sku <name>', 'pricing tier', SKUS), count('--unit', 'units', 1), set, tags],
        hubs.update,
      ),
      verb('delete', 'delete a hub with its devices', [group, needed(itself)], hubs.delete),
      verb('show-stats', 'count the devices of a hub', [group, itself], hubs.showStats),
      verb(
        'show-connection-string',
        'show a connection string; the older name of connection-string show',
        [group, itself, policyToUse, row('--key <type>', 'key to use', KEY_TYPES), row('--all', 'of all policies')],
        ofOldName,
      ),
      verb(
        'query',
        'ask about twins',
        [...at, needed(row('--query-command -q <query>', 'SELECT * FROM devices WHERE tags.line = 7')), top],
        query,
      ),
      verb('invoke-device-method', 'call a direct method of a device', [...at, device, ...method], invokeMethod),
      verb('invoke-module-method', 'call a direct method of a module', [...at, device, module, ...method], invokeMethod),
    ],
  },
  {
    name: 'hub connection-string',
    is: 'service connection strings of a hub',
    verbs: [
      verb(
        'show',
        'show a connection string, of each hub when none is named',
        [group, hub, policyToUse, keyType, row('--show-all --all', 'of all policies')],
        (cloud, given: { showAll?: boolean }) =>
          connectionStrings.ofHub(cloud, { keyType: 'primary', ...given, all: given.showAll ?? false }),
      ),
    ],
  },
  {
    name: 'hub policy',
    is: 'shared access policies of a hub',
    verbs: [
      verb('list', 'list the policies, with their keys', onHub, policies.list),
      verb('show', 'show a policy, with its keys', [...onHub, policy], policies.show),
      verb(
        'create',
        'make a policy',
        [...onHub, policy, needed(row('--permissions <rights...>', 'RegistryRead, RegistryWrite, ServiceConnect, DeviceConnect'))],
        policies.create,
      ),
      verb('delete', 'delete a policy', [...onHub, policy], policies.delete),
      verb(
        'renew-key',
        'make a new key, or swap the two',
        [...onHub, policy, needed(row('--renew-key --rk <key>', 'which', { choices: ['primary', 'secondary', 'swap'] }))],
        policies.renewKey,
      ),
    ],
  },
  certificateNoun('hub', onHub),
  {
    name: 'hub device-identity',
    is: 'devices in the registry of a hub',
    verbs: [
      verb('list', 'list the devices', [...at, edge, top], identities.list),
      verb('show', 'show a device, with its keys', [...at, device], identities.show),
      verb('create', 'make a device', [...at, device, ...proof, edge, ...status], identities.create),
      verb('update', 'change a device', [...at, device, etag, ...proof, edge, ...status, set], identities.update),
      verb('delete', 'delete a device', [...at, device, etag], identities.delete),
    ],
  },
  {
    name: 'hub device-identity connection-string',
    is: 'connection strings of devices',
    verbs: [verb('show', 'show what the device connects with', [...at, device, keyType], identities.connectionString)],
  },
  {
    name: 'hub device-twin',
    is: 'twins of devices',
    verbs: [
      verb('list', 'list the twins', [...at, edge, top], twins.list),
      verb('show', 'show a twin', [...at, device], twins.show),
      verb('update', 'change tags and desired properties', [...at, device, ...twinOptions], twins.update),
      verb('replace', 'replace tags and desired properties', [...at, device, etag, whole], twins.replace),
    ],
  },
  {
    name: 'hub module-identity',
    is: 'modules of a device',
    verbs: [
      verb('list', 'list the modules of a device', [...at, device, top], identities.listModules),
      verb('show', 'show a module, with its keys', [...at, device, module], identities.show),
      verb('create', 'make a module', [...at, device, module, ...proof], identities.create),
      verb('update', 'change a module', [...at, device, module, etag, ...proof, set], identities.update),
      verb('delete', 'delete a module', [...at, device, module, etag], identities.delete),
    ],
  },
  {
    name: 'hub module-identity connection-string',
    is: 'connection strings of modules',
    verbs: [verb('show', 'show what the module connects with', [...at, device, module, keyType], identities.connectionString)],
  },
  {
    name: 'hub module-twin',
    is: 'twins of modules',
    verbs: [
      verb('show', 'show a twin', [...at, device, module], twins.show),
      verb('update', 'change tags and desired properties', [...at, device, module, ...twinOptions], twins.update),
      verb('replace', 'replace tags and desired properties', [...at, device, module, etag, whole], twins.replace),
    ],
  },
  {
    name: 'hub c2d-message',
    az: 'iot device c2d-message',
    is: 'messages to devices',
    verbs: [
      verb(
        'send',
        'send a message to a device',
        [
          ...at,
          device,
          row('--data --da <text>', 'what it says', { default: 'ping' }),
          row('--properties --props -p <pairs>', 'its application properties: key=value;key=value'),
          row('--message-id --mid <id>', 'its id; default: made'),
          row('--correlation-id --cid <id>', 'what it belongs to'),
          row('--user-id --uid <id>', 'who sends it'),
          row('--content-type --ct <type>', 'media type of the data'),
          row('--content-encoding --ce <name>', 'encoding of the data'),
          row('--ack <kind>', 'feedback that is wanted', { choices: ['positive', 'negative', 'full'] }),
          count('--expiry-time-utc --expiry', 'milliseconds since 1970'),
        ],
        sendMessage,
      ),
      verb('purge', 'drop what waits for a device', [...at, device], purgeMessages),
    ],
  },
  {
    name: 'hub configuration',
    is: 'automatic device configurations',
    verbs: [
      verb('list', 'list the configurations', [...at, top], configurations.list),
      verb('show', 'show a configuration', [...at, configuration], configurations.show),
      verb(
        'create',
        'make a configuration',
        [
          ...at,
          configuration,
          needed(json('--content -k', 'desired properties it sets')),
          row('--target-condition --tc -t <condition>', 'which devices it is for: tags.line = 7'),
          count('--priority --pri', 'the highest wins'),
          json('--labels --lab', 'labels'),
          json('--metrics -m', 'queries to count by'),
        ],
        configurations.create,
      ),
      verb('update', 'change a configuration', [...at, configuration, etag, set], configurations.update),
      verb('delete', 'delete a configuration', [...at, configuration, etag], configurations.delete),
    ],
  },
];
