import { createServer } from 'node:net';
import { join } from 'node:path';
import type { EnrolmentFile } from '@zerotouch/azure-wire/enrolment';
import { type Cloud, startCloud } from '@zerotouch/cloud-sim/cloud';
import { systemClock } from '@zerotouch/foundation/clock';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import { openAzureService } from '@zerotouch/manufacturing/enroll/azure-service';
import { type EnrolEvent, type EnrolOptions, enrolBatch } from '@zerotouch/manufacturing/enroll/enrol-batch';
import { type DpsService, ServiceRefusal } from '@zerotouch/manufacturing/enroll/service';
import t from 'tap';
import { burn, enrolmentsIn, MIXED } from '../workbench.js';

const open = (cloud: Cloud, timeout = 10_000) =>
  openAzureService({ connectionString: cloud.dps.serviceConnectionString, ca: cloud.ca, timeout });

async function enrol(file: EnrolmentFile, service: DpsService, options: Partial<EnrolOptions> = {}) {
  const events: EnrolEvent[] = [];
  const summary = await enrolBatch(file, {
    service,
    clock: systemClock,
    entropy: systemEntropy,
    onEvent: (event) => events.push(event),
    ...options,
  });
  return { summary, events };
}

const many = MIXED.replace('start: 31, count: 2', 'start: 31, count: 23').replaceAll('hub-weu', 'hub-weu');

t.test('a batch is enrolled with the official client', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(many, out);
  const file = enrolmentsIn(out);
  await using cloud = await startCloud();
  const service = await open(cloud);
  t.teardown(() => service.close());
  const total = file.enrollmentGroups.length + file.enrollments.length;
  t.equal(total, 27);

  const dry = await enrol(file, service, { dryRun: true });
  t.strictSame(dry.summary, { created: total, updated: 0, unchanged: 0 });
  t.strictSame(await cloud.enrolments.groups(), [], 'a dry run changes nothing');

  const first = await enrol(file, service);
  t.strictSame(first.summary, { created: total, updated: 0, unchanged: 0 });
  t.equal((await cloud.enrolments.individuals()).length, 25);
  t.notMatch(JSON.stringify(first.events), /Key|BEGIN/);

  const again = await enrol(file, service);
  t.strictSame(again.summary, { created: 0, updated: 0, unchanged: total }, 'done again, nothing is left to do');

  await t.test('what differs is updated, and told by its field', async (t) => {
    const changed = structuredClone(file);
    const [group] = changed.enrollmentGroups;
    const [one, , three] = changed.enrollments;
    if (group === undefined || one === undefined || three === undefined) throw new Error('too few');
    group.initialTwin = { properties: { desired: { interval: 99 } } };
    one.provisioningStatus = 'enabled';
    three.attestation = {
      type: 'symmetricKey',
      symmetricKey: { primaryKey: Buffer.alloc(64, 1).toString('base64'), secondaryKey: Buffer.alloc(64, 2).toString('base64') },
    };
    const dry = await enrol(changed, service, { dryRun: true });
    const { summary, events } = await enrol(changed, service);
    t.strictSame(summary, { created: 0, updated: 3, unchanged: total - 3 });
    t.strictSame(dry.summary, summary);
    const updated = events.flatMap((event) =>
      event.kind !== 'waiting' && event.outcome === 'updated' ? [[event.id, ...event.fields]] : [],
    );
    t.strictSame(updated, [
      ['x-group', 'initialTwin'],
      ['xi-000021', 'provisioningStatus'],
      ['ki:000031', 'attestation'],
    ]);
    t.match((await cloud.enrolments.getGroup('x-group'))?.initialTwin?.properties?.desired, { interval: 99 });
    t.match((await enrol(changed, service)).summary, { updated: 0, unchanged: total });
  });

  await t.test('only one group, when asked', async (t) => {
    await cloud.enrolments.deleteGroup('k-group');
    t.strictSame((await enrol(file, service, { group: 'K-group' })).summary, { created: 1, updated: 0, unchanged: 0 });
    await t.rejects(enrol(file, service, { group: 'nobody' }), { code: 'ENROLMENTS_UNREADABLE', seen: 'nobody' });
  });

  await t.test('cut off in the middle, it goes on from there', async (t) => {
    for (const { registrationId } of file.enrollments) await cloud.enrolments.deleteIndividual(registrationId);
    let chunks = 0;
    const cut: DpsService = {
      ...service,
      bulk: async (mode, items) => {
        if (++chunks > 1) throw new Error('pulled the plug');
        return service.bulk(mode, items);
      },
    };
    await t.rejects(enrol(file, cut), { message: 'pulled the plug' });
    const stopped = AbortSignal.abort(new Error('interrupted'));
    await t.rejects(enrol(file, service, { signal: stopped }), { message: 'interrupted' });
    const left = await enrol(file, service);
    // Of the groups, and of the one chunk that came through, nothing is done again.
    t.match(left.summary, { created: 15, unchanged: total - 15, updated: 0 });
    t.equal((await cloud.enrolments.individuals()).length, 25);
  });
});

t.test('who is not let in, and who is not there', async (t) => {
  const out = join(t.testdir(), 'out');
  await burn(MIXED, out);
  const file = enrolmentsIn(out);
  await using cloud = await startCloud();
  const wrong = cloud.dps.serviceConnectionString.replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`);
  const refused = await openAzureService({ connectionString: wrong, ca: cloud.ca, timeout: 60_000 });
  t.teardown(() => refused.close());
  await t.rejects(enrol(file, refused), { code: 'DPS_REFUSED', message: /HTTP 401.*EnrollmentRead/ });

  for (const text of ['', 'hello', 'HostName=x', 'HostName=http://x;SharedAccessKeyName=a;SharedAccessKey=b']) {
    await t.rejects(openAzureService({ connectionString: text, timeout: 1 }), { code: 'DPS_ADDRESS' });
  }
  const key = 'SharedAccessKeyName=a;SharedAccessKey=Zm9v';
  const nobody = await openAzureService({ connectionString: `HostName=127.0.0.1:1;${key}`, timeout: 60_000 });
  await t.rejects(nobody.group('g'), { code: 'DPS_UNREACHABLE', seen: 'ECONNREFUSED', message: /^127\.0\.0\.1:1: / });
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await new Promise((resolve) => silent.once('listening', resolve));
  const { port } = silent.address() as { port: number };
  const mute = await openAzureService({ connectionString: `HostName=127.0.0.1:${port};${key}`, timeout: 50 });
  await t.rejects(mute.group('g'), { code: 'DPS_UNREACHABLE', seen: 'no answer within 0.05 s' });
  for (const one of [nobody, mute]) one.close();
  silent.close();
});

t.test('throttling is waited for, as long as DPS says, and not for ever', async (t) => {
  const waits: number[] = [];
  let now = 0;
  const clock = {
    ...systemClock,
    monotonic: () => now,
    wait: async (ms: number) => {
      now += ms;
    },
  };
  const file: EnrolmentFile = {
    version: 1,
    batch: 'b',
    idScope: '0ne00000A1B',
    certificates: [],
    enrollmentGroups: [{ enrollmentGroupId: 'g', attestation: { type: 'symmetricKey', symmetricKey: {} } }],
    enrollments: [],
  };
  const answering = (...refusals: ServiceRefusal[]): DpsService => ({
    group: async () => {
      const refusal = refusals.shift();
      if (refusal !== undefined) throw refusal;
      return undefined;
    },
    putGroup: async () => {},
    individual: async () => undefined,
    bulk: async () => [],
    mechanism: async () => ({ type: 'symmetricKey', symmetricKey: {} }),
    deleteGroup: async () => {},
    close: () => {},
  });
  const onEvent = (event: EnrolEvent) => event.kind === 'waiting' && waits.push(event.seconds);
  const patient = answering(
    new ServiceRefusal(429, 'later', 7),
    new ServiceRefusal(503, 'busy', undefined),
    new ServiceRefusal(429, 'later', 2),
  );
  t.match(await enrol(file, patient, { clock, onEvent }), { summary: { created: 1 } });
  t.equal(waits[0], 7);
  t.equal(waits[2], 2);
  t.ok((waits[1] ?? 99) <= 1);
  t.ok(now >= 9000);
  const never = answering(...Array.from({ length: 50 }, () => new ServiceRefusal(429, 'never', 1)));
  await t.rejects(enrol(file, never, { clock, onEvent }), { code: 'DPS_UNREACHABLE', message: /429/ });
  await t.rejects(enrol(file, answering(new ServiceRefusal(400, '400004 bad', undefined)), { clock, onEvent }), {
    code: 'DPS_REFUSED',
    seen: '400004 bad',
  });
});
