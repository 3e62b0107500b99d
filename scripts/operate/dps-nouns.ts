import { certificateNoun } from './certificate-noun.js';
import { instances, linkedHubs, policies } from './dps.js';
import { groups, individuals, REPROVISION, registrations } from './enrolments.js';
import { connectionStrings } from './hub.js';
import { type NounRow, verb } from './nouns.js';
import { count, json, needed, row, secret, yesNo } from './rows.js';

const RIGHTS = ['ServiceConfig', 'EnrollmentRead', 'EnrollmentWrite', 'DeviceConnect', 'RegistrationStatusRead', 'RegistrationStatusWrite'];
const STATUSES = ['enabled', 'disabled'];

const group = row('--resource-group -g <name>', 'resource group');
const itself = row('--name --dps-name -n <name>', 'name of the DPS');
const dps = row('--dps-name <name>', 'name of the DPS');
const dpsN = row('--dps-name -n <name>', 'name of the DPS');
const login = secret('--login -l', 'connection string of the DPS');
const top = count('--top', 'at most so many; -1: all', -1);
const tags = row('--tags <tags...>', 'tags: key=value ...');
const set = row('--set <assignments...>', 'members to change: path.to.member=value ...');

const link = needed(row('--linked-hub <name>', 'name or host name of the linked hub'));
const weight = count('--allocation-weight', 'its share of the devices, 0 to 1000');
const allotted = yesNo('--apply-allocation-policy', 'whether it is given devices at all');

const policy = needed(row('--policy-name --pn <name>', 'name of the policy'));
const rights = row('--rights -r <rights...>', 'its rights', { choices: RIGHTS });
const policyKeys = [secret('--primary-key', 'key; default: made'), secret('--secondary-key', 'key; default: made')];

const at = [group, dpsN, login];
const enrolment = needed(row('--enrollment-id --eid <id>', 'registration id of the enrolment'));
const enrolmentGroup = needed(row('--enrollment-id --eid --group-id --gid <id>', 'id of the enrolment group'));
const showKeys = yesNo('--show-keys --keys', 'show the symmetric keys, too');
const enrolmentEtag = row('--etag -e <etag>', 'only when it is still this one; default: whatever it is');
const common = [
  secret('--primary-key --pk', 'symmetric key in base64; default: made'),
  secret('--secondary-key --sk', 'symmetric key in base64; default: made'),
  row('--certificate-path --cp <file>', 'certificate'),
  row('--secondary-certificate-path --scp <file>', 'second certificate'),
  row('--provisioning-status --ps <status>', 'whether devices may register', { choices: STATUSES }),
  row('--reprovision-policy --rp <policy>', 'what becomes of a device that moves to another hub', { choices: Object.keys(REPROVISION) }),
  row('--allocation-policy --ap <policy>', 'how the hub is chosen', { choices: ['hashed', 'geoLatency', 'static', 'custom'] }),
  row('--iot-hubs --ih <hosts...>', 'hubs to choose from; default: all'),
  secret('--webhook-url --wh', 'webhook of custom allocation'),
  row('--api-version --av <version>', 'of the request that the webhook gets'),
  yesNo('--edge-enabled --ee', 'its devices are IoT Edge devices'),
  json('--initial-twin-tags --tags', 'tags of the first twin'),
  json('--initial-twin-properties --props', 'desired properties of the first twin'),
];
const single = [
  row('--device-id -d <id>', 'device id at the hub; default: the registration id'),
  row('--endorsement-key --ek <key>', 'endorsement key of the TPM in base64'),
  json('--device-information --info', 'notes for operators'),
];
const authority = [
  row('--ca-name --cn --root-ca-name <name>', 'verified CA certificate of the DPS'),
  row('--secondary-ca-name --scn --secondary-root-ca-name <name>', 'second one'),
];

/** Everything after `zerotouch dps`. */
export const dpsNouns: readonly NounRow[] = [
  {
    name: 'dps',
    is: 'device provisioning services of the local cloud',
    verbs: [
      verb('list', 'list the DPS instances', [group], instances.list),
      verb('show', 'show a DPS', [group, itself], instances.show),
      verb(
        'create',
        'make a DPS, with an ID scope of its own',
        [
          row('--resource-group -g <name>', 'resource group; default: the first one'),
          needed(itself),
          row('--location -l <region>', 'region; default: that of the group'),
          row('--sku <name>', 'pricing tier', { choices: ['S1'], default: 'S1' }),
          { ...count('--unit', 'units', 1), default: 1 },
          tags,
        ],
        instances.create,
      ),
      verb('update', 'change a DPS: --set properties.allocationPolicy=GeoLatency', [group, itself, set, tags], instances.update),
      verb('delete', 'delete a DPS with its enrolments', [group, needed(itself)], instances.delete),
    ],
  },
  {
    name: 'dps linked-hub',
    is: 'hubs that a DPS assigns devices to',
    verbs: [
      verb('list', 'list the linked hubs', [group, dps], linkedHubs.list),
      verb('show', 'show a linked hub', [group, dps, link], linkedHubs.show),
      verb(
        'create',
        'link a hub',
        [
          group,
          dps,
          row('--hub-name --hn <name>', 'hub to link, by its policy iothubowner'),
          row('--hub-resource-group --hrg <name>', 'resource group of the hub'),
          secret('--connection-string', 'connection string of the hub instead'),
          weight,
          allotted,
        ],
        linkedHubs.create,
      ),
      verb('update', 'change the share of a linked hub', [group, dps, link, weight, allotted], linkedHubs.update),
      verb('delete', 'unlink a hub', [group, dps, link], linkedHubs.delete),
    ],
  },
  {
    name: 'dps policy',
    is: 'shared access policies of a DPS',
    verbs: [
      verb('list', 'list the policies, with their keys', [group, dpsN], policies.list),
      verb('show', 'show a policy, with its keys', [group, dpsN, policy], policies.show),
      verb('create', 'make a policy', [group, dpsN, policy, needed(rights), ...policyKeys], policies.create),
      verb('update', 'change a policy', [group, dpsN, policy, rights, ...policyKeys], policies.update),
      verb('delete', 'delete a policy', [group, dpsN, policy], policies.delete),
    ],
  },
  certificateNoun('dps', [group, dps]),
  {
    name: 'dps connection-string',
    is: 'service connection strings of a DPS',
    verbs: [
      verb(
        'show',
        'show a connection string, of each DPS when none is named',
        [
          group,
          dpsN,
          row('--policy-name --pn <name>', 'policy to use', { default: 'provisioningserviceowner' }),
          row('--key-type --kt <type>', 'key to use', { choices: ['primary', 'secondary'], default: 'primary' }),
          yesNo('--show-all --all', 'of all policies'),
        ],
        (cloud, given: { showAll?: boolean }) =>
          connectionStrings.ofDps(cloud, { keyType: 'primary', ...given, all: given.showAll ?? false }),
      ),
    ],
  },
  {
    name: 'dps enrollment',
    is: 'individual enrolments',
    verbs: [
      verb('list', 'list the enrolments', [...at, top], individuals.list),
      verb('show', 'show an enrolment', [...at, enrolment, showKeys], individuals.show),
      verb(
        'create',
        'make an enrolment',
        [
          ...at,
          enrolment,
          needed(row('--attestation-type --at <type>', 'how the device proves itself', { choices: ['symmetricKey', 'x509', 'tpm'] })),
          ...common,
          ...single,
        ],
        individuals.create,
      ),
      verb('update', 'change an enrolment', [...at, enrolment, enrolmentEtag, ...common, ...single], individuals.update),
      verb('delete', 'delete an enrolment', [...at, enrolment, enrolmentEtag], individuals.delete),
    ],
  },
  {
    name: 'dps enrollment registration',
    is: 'what became of the device of an individual enrolment',
    verbs: [
      verb('show', 'show its registration', [...at, enrolment], registrations.show),
      verb('delete', 'delete its registration; the device stays in its hub', [...at, enrolment, enrolmentEtag], registrations.delete),
    ],
  },
  {
    name: 'dps enrollment-group',
    is: 'enrolment groups',
    verbs: [
      verb('list', 'list the groups', [...at, top], groups.list),
      verb('show', 'show a group', [...at, enrolmentGroup, showKeys], groups.show),
      verb(
        'create',
        'make a group, by symmetric key unless a certificate is named',
        [...at, enrolmentGroup, ...common, ...authority],
        groups.create,
      ),
      verb('update', 'change a group', [...at, enrolmentGroup, enrolmentEtag, ...common, ...authority], groups.update),
      verb('delete', 'delete a group', [...at, enrolmentGroup, enrolmentEtag], groups.delete),
      verb(
        'compute-device-key',
        'tell the symmetric key of one device of a group',
        [
          ...at,
          { ...enrolmentGroup, required: false },
          needed(row('--registration-id --rid <id>', 'registration id of the device')),
          secret('--symmetric-key --key', 'key of the group; default: asked of the DPS'),
        ],
        groups.computeDeviceKey,
      ),
    ],
  },
  {
    name: 'dps enrollment-group registration',
    is: 'what became of the devices of a group',
    verbs: [
      verb('list', 'list the registrations of a group', [...at, enrolmentGroup, top], registrations.list),
      verb('show', 'show a registration', [...at, needed(row('--registration-id --rid <id>', 'registration id'))], registrations.show),
      verb(
        'delete',
        'delete a registration; the device stays in its hub',
        [...at, needed(row('--registration-id --rid <id>', 'registration id')), enrolmentEtag],
        registrations.delete,
      ),
    ],
  },
];
