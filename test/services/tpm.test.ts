import { createHmac, randomBytes } from 'node:crypto';
import { tpmWrapper } from '@zerotouch/cloud-sim/tpm/wrap';
import { systemEntropy } from '@zerotouch/foundation/entropy';
import t from 'tap';
import { cloudFor, lastAttempt } from '../cloud-sim/clouds.js';
import { registerOver } from '../cloud-sim/doors/clients.js';
import { ToolsTpm } from './tpm.js';

/** How tpm2-tools reach the TPM that scripts/services.sh started. */
const tcti = process.env.ZT_TEST_TPM;
if (tcti === undefined) throw new Error('ZT_TEST_TPM is not set: run npm run test:services');
const tpm = new ToolsTpm('tpm-1', t.testdir(), tcti);

t.test('a TPM activates the credential, imports the key and signs with it', async (t) => {
  for (const length of [16, 32, 64]) {
    const key = randomBytes(length);
    const keys: [Buffer, Buffer] = await new Promise((resolve) =>
      tpm.getEndorsementKey((_, ek) => tpm.getStorageRootKey((__, srk) => resolve([ek as Buffer, srk as Buffer]))),
    );
    const blob = await tpmWrapper(systemEntropy)(key, { endorsementKey: keys[0], storageRootKey: keys[1] });
    tpm.activate(Buffer.from(blob));
    t.strictSame(tpm.sign('hello'), createHmac('sha256', key).update('hello').digest(), `${length} bytes`);
  }
});

for (const transport of ['http', 'amqp', 'amqp-ws'] as const) {
  t.test(`the official client registers with a TPM over ${transport}`, async (t) => {
    const cloud = await cloudFor(t);
    await cloud.enrolments.putIndividual({
      registrationId: 'tpm-1',
      attestation: { type: 'tpm', tpm: { endorsementKey: tpm.endorsementKey.toString('base64') } },
    });
    const { registrationState } = (await registerOver(cloud, transport, 'tpm-1', { security: tpm })) as unknown as {
      registrationState: { deviceId: string; assignedHub: string };
    };
    t.equal(registrationState.deviceId, 'tpm-1');
    t.match(await lastAttempt(cloud, 'tpm-1'), { transport, outcome: 'assigned' });
  });
}
