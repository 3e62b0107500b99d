import { createHash } from 'node:crypto';
import type { Cloud } from '@zerotouch/cloud-sim/cloud';
import { tpmWrapper } from '@zerotouch/cloud-sim/tpm/wrap';
import { seededEntropy, systemEntropy } from '@zerotouch/foundation/entropy';
import fc from 'fast-check';
import t from 'tap';
import { cloudFor, lastAttempt } from '../clouds.js';
import { signIn } from '../official-clients.js';
import { registerOver } from './clients.js';
import { SoftTpm } from './soft-tpm.js';

const tpm = new SoftTpm('tpm-1');
const other = new SoftTpm('tpm-1');

t.test('what is wrapped for a TPM comes out there, and nowhere else', async (t) => {
  const wrap = tpmWrapper(systemEntropy);
  const key = createHash('sha256').update('key').digest();
  const blob = Buffer.from(await wrap(key, tpm));
  tpm.activate(blob);
  t.strictSame(tpm.identityKey, key);
  t.throws(() => other.activate(blob));
  const crossed = { endorsementKey: tpm.endorsementKey, storageRootKey: other.storageRootKey };
  const halfway = Buffer.from(await wrap(key, crossed));
  t.throws(() => tpm.activate(halfway), 'both keys are needed');
  for (const length of [16, 32, 64]) {
    const bytes = systemEntropy.bytes(length);
    tpm.activate(Buffer.from(await wrap(bytes, tpm)));
    t.strictSame(tpm.identityKey, bytes, `${length} bytes`);
  }
  const unsized = { endorsementKey: tpm.endorsementKey.subarray(2), storageRootKey: tpm.storageRootKey.subarray(2) };
  tpm.activate(Buffer.from(await wrap(key, unsized)));
  t.strictSame(tpm.identityKey, key, 'public areas without a size serve as well');
  t.ok(blob.length <= 4 * 470, 'SASL can carry it');
});

t.test('a damaged blob does not come out', async () => {
  const blob = Buffer.from(await tpmWrapper(seededEntropy('damage'))(Buffer.alloc(32, 1), tpm));
  // The data at its end is for people.
  fc.assert(
    fc.property(fc.nat(blob.length - 3), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = Buffer.from(blob);
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      try {
        tpm.activate(damaged);
        return false;
      } catch {
        return true;
      }
    }),
    { seed: 4, numRuns: 40 },
  );
});

t.test('what is no storage key of RSA is refused, whatever it is', async (t) => {
  const wrap = tpmWrapper(systemEntropy);
  const area = tpm.endorsementKey;
  for (const bytes of [Buffer.alloc(0), area.subarray(0, 40), Buffer.concat([area, Buffer.alloc(1)]), Buffer.alloc(300, 1)]) {
    t.throws(() => wrap(Buffer.alloc(32), { endorsementKey: bytes, storageRootKey: tpm.storageRootKey }), /public area/);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (endorsementKey) => {
      try {
        wrap(Buffer.alloc(32), { endorsementKey, storageRootKey: tpm.storageRootKey });
        return false;
      } catch (error) {
        return error instanceof Error;
      }
    }),
    { seed: 5, numRuns: 200 },
  );
});

for (const transport of ['http', 'amqp', 'amqp-ws'] as const) {
  t.test(`the official client registers by TPM over ${transport}, and its hub key is in the TPM`, async (t) => {
    const cloud = await enrolled(await cloudFor(t), tpm);
    const before = tpm.activations;
    // For a TPM the client hands out the whole status, not its registration state alone.
    const { registrationState: result } = (await registerOver(cloud, transport, 'tpm-1', { security: tpm })) as unknown as Status;
    t.match(result, { deviceId: 'tpm-1', status: 'assigned' });
    t.equal(tpm.activations, before + 2, 'one key for DPS, one for the hub');
    t.match(await lastAttempt(cloud, 'tpm-1'), { transport, outcome: 'assigned' });
    const client = await signIn(cloud, result.assignedHub, 'tpm-1', { key: (tpm.identityKey ?? Buffer.alloc(0)).toString('base64') });
    await client.close();
  });

  t.test(`another TPM under the same name is refused over ${transport}`, async (t) => {
    const cloud = await enrolled(await cloudFor(t), tpm);
    for (const [security, rule] of [
      [other, 'tpm-endorsement-key'],
      [new SoftTpm('tpm-2'), 'no-enrolment'],
    ] as const) {
      // Refused in the SASL exchange, the official client never calls back; over HTTPS it does.
      const refused = new Promise<void>((resolve) => {
        cloud.events.on('refused', ({ id }) => id === security.registrationId && resolve());
      });
      const result = registerOver(cloud, transport, security.registrationId, { security });
      if (transport === 'http') await t.rejects(result);
      else result.catch(() => {});
      await refused;
      t.match(await lastAttempt(cloud, security.registrationId), { transport, outcome: 'refused', reason: { rule } });
    }
  });

  t.test(`a TPM that signs with something else than the key of the challenge is refused over ${transport}`, async (t) => {
    const cloud = await enrolled(await cloudFor(t), tpm);
    const liar = Object.assign(Object.create(tpm) as SoftTpm, {
      signWithIdentity: (_data: Buffer, done: (error: null, signature: Buffer) => void) => done(null, Buffer.alloc(32, 7)),
    });
    await t.rejects(registerOver(cloud, transport, 'tpm-1', { security: bound(liar, tpm) }));
    t.match(await lastAttempt(cloud, 'tpm-1'), { transport, outcome: 'refused', reason: { rule: 'sas-signature' } });
  });
}

interface Status {
  registrationState: { assignedHub: string; deviceId: string; status: string };
}

/** The methods of one TPM, but for those that another object has of its own. */
function bound(own: object, behind: SoftTpm): object {
  const names = ['getEndorsementKey', 'getStorageRootKey', 'getRegistrationId', 'activateIdentityKey', 'signWithIdentity'] as const;
  return Object.fromEntries(names.map((name) => [name, Object.hasOwn(own, name) ? Reflect.get(own, name) : behind[name].bind(behind)]));
}

async function enrolled(cloud: Cloud, { endorsementKey }: SoftTpm): Promise<Cloud> {
  await cloud.enrolments.putIndividual({
    registrationId: 'tpm-1',
    attestation: { type: 'tpm', tpm: { endorsementKey: endorsementKey.toString('base64') } },
  });
  return cloud;
}
