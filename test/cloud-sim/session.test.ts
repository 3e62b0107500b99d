import { EventEmitter } from 'node:events';
import { buildSas, dpsResource } from '@zerotouch/azure-wire/sas';
import { Dps, type DpsParts, type TpmChallengeBody } from '@zerotouch/cloud-sim/dps/dps';
import { Enrolments } from '@zerotouch/cloud-sim/dps/enrolments';
import { Issuance } from '@zerotouch/cloud-sim/dps/issuance';
import { Links } from '@zerotouch/cloud-sim/dps/links';
import { admit, Throttle } from '@zerotouch/cloud-sim/dps/throttle';
import type { CloudEvents } from '@zerotouch/cloud-sim/events';
import { HubPark } from '@zerotouch/cloud-sim/hub/park';
import { Journal } from '@zerotouch/cloud-sim/journal';
import { type LimitOption, limitValues } from '@zerotouch/cloud-sim/limits';
import { memoryStore } from '@zerotouch/cloud-sim/store/memory';
import { seededEntropy } from '@zerotouch/foundation/entropy';
import { VirtualClock } from '@zerotouch/foundation/virtual-clock';
import fc from 'fast-check';
import { pino } from 'pino';
import t from 'tap';
import { derived, key } from './clouds.js';

const SCOPE = '0ne00000A1B';
const EK = Buffer.from('the public area of an endorsement key');
const SRK = Buffer.from('the public area of a storage root key');

/** DPS without a door: a session is opened and asked by hand. */
async function dpsFor({ limits: option, ...more }: Partial<Omit<DpsParts, 'limits'>> & { limits?: LimitOption } = {}) {
  const clock = new VirtualClock();
  const limits = limitValues(option);
  const parts = { store: memoryStore(), clock, entropy: seededEntropy('session'), limits };
  const journal = new Journal({
    attempts: parts.store.attempts,
    events: new EventEmitter<CloudEvents>(),
    clock,
    log: pino({ level: 'silent' }),
  });
  const park = new HubPark({ ...parts, journal });
  const links = new Links(parts);
  const hub = await park.create({
    host: 'hub-a.azure-devices.net',
    region: 'westeurope',
    subscription: '3f0c1a52-6f1e-4d0b-9a3e-0d5c7b1e8a01',
  });
  await links.link(hub.connectionString);
  const dps = new Dps({
    ...parts,
    idScope: SCOPE,
    retryAfter: 3,
    hubs: park.running,
    journal,
    throttle: new Throttle(parts),
    latencies: {},
    edges: new Map(),
    webhook: { timeoutMs: 100, ca: undefined },
    challengeSecret: Buffer.alloc(64, 7),
    issuance: new Issuance(parts),
    trustBundles: new Map(),
    ...more,
  });
  const open = async (
    registrationId: string,
    how: { tpm?: { endorsementKey: Uint8Array; storageRootKey?: Uint8Array }; signedWith?: Uint8Array } = {},
  ) => {
    const password =
      how.signedWith === undefined
        ? undefined
        : buildSas({
            resource: dpsResource(SCOPE, registrationId),
            key: how.signedWith,
            expiry: clock.now() / 1000 + 600,
            keyName: 'registration',
          });
    const opened = await dps.open(
      {
        transport: 'http',
        idScope: SCOPE,
        registrationId,
        apiVersion: '2021-06-01',
        clientId: undefined,
        password,
        certificate: undefined,
        ...(how.tpm === undefined ? {} : { tpm: how.tpm }),
      },
      () => ({ status: 401 }),
    );
    if ('reason' in opened) throw new Error(opened.reason.text);
    return opened.session;
  };
  const lastReason = async (id: string) => (await parts.store.attempts.list(id)).at(-1)?.reason;
  return { dps, open, clock, store: parts.store, park, enrolments: new Enrolments(parts), lastReason };
}

const group = { enrollmentGroupId: 'line-7', attestation: { type: 'symmetricKey' as const, symmetricKey: { primaryKey: key('line 7') } } };
const member = (id: string) => ({ signedWith: Buffer.from(derived(key('line 7'), id), 'base64') });
const nothing = new Uint8Array();

t.test('a TPM is challenged, answers, and gets a hub key that only it can read', async (t) => {
  const wrapped: Uint8Array[] = [];
  const wrapForTpm: NonNullable<DpsParts['wrapForTpm']> = (secret, tpm) => {
    t.strictSame([tpm.endorsementKey, tpm.storageRootKey], [EK, SRK]);
    wrapped.push(secret);
    return Buffer.from(`wrapped ${wrapped.length}`);
  };
  const { open, enrolments, park, lastReason, clock } = await dpsFor({ wrapForTpm });
  await enrolments.putIndividual({
    registrationId: 'tpm-1',
    deviceId: 'Pump',
    attestation: { type: 'tpm', tpm: { endorsementKey: EK.toString('base64') } },
  });
  const tpm = { endorsementKey: EK, storageRootKey: SRK };

  const challenged = await (await open('tpm-1', { tpm })).register(nothing);
  t.match(challenged, { status: 401, body: { authenticationKey: Buffer.from('wrapped 1').toString('base64'), keyName: 'registration' } });
  t.type((challenged.body as TpmChallengeBody).message, 'string');

  clock.advance(4 * 60_000);
  const nonce = wrapped[0] ?? nothing;
  const session = await open('TPM-1', { tpm, signedWith: nonce });
  const { status, body } = await session.register(nothing);
  t.equal(status, 202);
  const done = await session.operation('operationId' in body ? body.operationId : '');
  t.match(done, {
    status: 200,
    body: {
      registrationState: { status: 'assigned', deviceId: 'Pump', tpm: { authenticationKey: Buffer.from('wrapped 2').toString('base64') } },
    },
  });
  const device = await park.running.get('hub-a.azure-devices.net')?.registry.get('Pump');
  t.match(device?.authentication, { type: 'sas', primaryKey: Buffer.from(wrapped[1] ?? nothing).toString('base64') });

  clock.advance(11 * 60_000);
  t.match(
    await (await open('tpm-1', { tpm, signedWith: nonce })).register(nothing),
    { status: 401, body: { errorCode: 401000 } },
    'a challenge does not live for ever',
  );
  t.match(await lastReason('tpm-1'), { rule: 'sas-signature' });
});

t.test('a TPM that is not the enrolled one', async (t) => {
  const { open, enrolments, lastReason } = await dpsFor({
    wrapForTpm: () => {
      throw new Error('an RSA key of 3 bits');
    },
  });
  const tpm = { endorsementKey: EK, storageRootKey: SRK };
  t.match(await (await open('tpm-1', { tpm })).register(nothing), { status: 404, body: { errorCode: 404201 } });
  t.match(await lastReason('tpm-1'), { rule: 'no-enrolment', nearest: /tpm|none/, remedy: /endorsement key/ });

  await enrolments.putIndividual({ registrationId: 'tpm-1', attestation: { type: 'tpm', tpm: { endorsementKey: EK.toString('base64') } } });
  const other = Buffer.from(EK);
  other[5] = 0;
  t.match(await (await open('tpm-1', { tpm: { ...tpm, endorsementKey: other } })).register(nothing), {
    status: 401,
    body: { errorCode: 401002 },
  });
  t.match(await lastReason('tpm-1'), { rule: 'tpm-endorsement-key', nearest: /differs from byte 5 on/, seen: /37 bytes/, remedy: /enrol/ });

  t.match(await (await open('tpm-1', { tpm: { endorsementKey: EK } })).register(nothing), { status: 400, body: { errorCode: 400004 } });
  t.match(await lastReason('tpm-1'), { rule: 'tpm-keys', seen: 'no storageRootKey', nearest: /storageRootKey/ });
  t.match(await (await open('tpm-1', { tpm })).register(nothing), { status: 400 });
  t.match(await lastReason('tpm-1'), { rule: 'tpm-keys', seen: /3 bits/ });

  t.match(await (await open('tpm-1', { signedWith: Buffer.from('any key at all..') })).register(nothing), {
    status: 401,
    body: { errorCode: 401002 },
  });
  t.match(await lastReason('tpm-1'), { rule: 'attestation-kind' });
  await t.rejects(enrolments.putGroup({ ...group, attestation: { type: 'tpm', tpm: { endorsementKey: EK.toString('base64') } } }), {
    code: 'BAD_ENROLMENT',
  });
});

t.test('a status lookup', async (t) => {
  const { open, enrolments, lastReason } = await dpsFor();
  await enrolments.putGroup(group);
  t.match(await (await open('dev-1', member('dev-1'))).lookUp(), { status: 404, body: { errorCode: 404201 } });
  t.match(await lastReason('dev-1'), { rule: 'registration-unknown', nearest: /register/ });
  await (await open('dev-1', member('dev-1'))).register(nothing);
  t.match(await (await open('dev-1', member('dev-1'))).lookUp(), { status: 200, body: { status: 'assigned', deviceId: 'dev-1' } });
  t.match(await (await open('dev-1', member('dev-2'))).lookUp(), { status: 401 });
});

t.test('limits on registrations and polls, by the clock of the cloud', async (t) => {
  const { open, enrolments, clock } = await dpsFor({ limits: 'azure' });
  await enrolments.putGroup(group);
  const session = await open('dev-1', member('dev-1'));
  for (let count = 0; count < 1000; count++) if ((await session.register(nothing)).status !== 202) t.fail(`registration ${count}`);
  clock.advance(59_000);
  t.match(await session.register(nothing), { status: 429, body: { errorCode: 429001 }, retryAfter: 1 });
  t.match(await session.lookUp(), { status: 429 });
  clock.advance(1_000);
  const { status, body } = await session.register(nothing);
  t.equal(status, 202);
  const operation = 'operationId' in body ? body.operationId : '';
  for (let count = 0; count < 5; count++) t.equal((await session.operation(operation)).status, 200);
  t.match(await session.operation(operation), { status: 429, retryAfter: 10 });
  t.equal((await (await open('dev-2', member('dev-2'))).register(nothing)).status, 202, 'polls are counted a device');
});

t.test('a window lets through its limit, whenever requests come, and not one more', async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3000 }), { maxLength: 60 }), fc.integer({ min: 1, max: 5 }), (gaps, limit) => {
      let now = 0;
      let window: Parameters<typeof admit>[0];
      const passed: number[] = [];
      for (const gap of gaps) {
        now += gap;
        const { window: next, retryAfterSeconds } = admit(window, now, limit, 1000);
        window = next;
        if (retryAfterSeconds === undefined) passed.push(now);
        else if (admit(next, now + retryAfterSeconds * 1000, limit, 1000).retryAfterSeconds !== undefined) return false;
      }
      // Windows start with a request and do not overlap.
      return passed.every((start, index) => passed.slice(index).filter((at) => at < start + 1000).length <= 2 * limit);
    }),
    { numRuns: 200 },
  );
});

t.test('calls of the service API, and what may be created', async (t) => {
  const throttle = new Throttle({ limits: limitValues({ operationsPerMinute: 2 }), clock: new VirtualClock() });
  t.equal(throttle.operation(), undefined);
  t.equal(throttle.operation(), undefined);
  t.match(throttle.operation(), {
    retryAfterSeconds: 60,
    reason: { rule: 'throttled-operations', expected: /at most 2/, nearest: /60 s later/ },
  });

  const { enrolments } = await dpsFor({ limits: { individualEnrolments: 2, symmetricKeyGroups: 1, certificateAuthorities: 0.5 } });
  const individual = (registrationId: string) =>
    enrolments.putIndividual({ registrationId, attestation: { type: 'symmetricKey', symmetricKey: {} } });
  await individual('a');
  await individual('b');
  await t.rejects(individual('c'), { code: 'LIMIT_REACHED' });
  t.equal((await individual('A')).enrolment.registrationId, 'A', 'one that is there may be written');
  await enrolments.putGroup(group);
  await enrolments.putGroup({ ...group, provisioningStatus: 'disabled' });
  await t.rejects(enrolments.putGroup({ ...group, enrollmentGroupId: 'line-8' }), { code: 'LIMIT_REACHED', message: /at most 1/ });
});

t.test('what breaks inside is a failed registration, and the log says how', async (t) => {
  const { open, enrolments, store, lastReason, dps } = await dpsFor();
  await enrolments.putGroup({
    ...group,
    allocationPolicy: 'custom',
    customAllocationDefinition: { webhookUrl: 'http://127.0.0.1:9/', apiVersion: '2021-10-01' },
  });
  const session = await open('dev-1', member('dev-1'));
  store.links.list = () => Promise.reject(new Error('the disk is gone'));
  const { body } = await session.register(nothing);
  await new Promise((resolve) => setImmediate(resolve));
  t.match(await session.operation('operationId' in body ? body.operationId : ''), {
    status: 200,
    body: { status: 'failed', registrationState: { errorCode: 500000 } },
  });
  t.match(await lastReason('dev-1'), { rule: 'internal' });
  await dps.close();
});
