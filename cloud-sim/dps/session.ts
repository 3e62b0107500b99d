import { dpsErrors, errorBody, httpStatusOf, type ServiceErrorEntry } from '@zerotouch/azure-wire/errors';
import { canonicalRegistrationId, GLOBAL_DPS_HOST } from '@zerotouch/azure-wire/ids';
import { parseJson } from '@zerotouch/azure-wire/json';
import { DPS_DEVICE_KEY_NAME } from '@zerotouch/azure-wire/sas';
import { isJsonObject } from '@zerotouch/azure-wire/twin';
import { dpsChoices } from '../choices.js';
import type { Attempt, Reason, Transport, WireAnswer } from '../reasons.js';
import type { DeviceAuthentication, RegistrationRecord } from '../store/store.js';
import { generatedKey, guid, operationId } from '../unique.js';
import { type Assignment, assign } from './assignment.js';
import { attest } from './attestation.js';
import { carryOut, keepRegistration } from './carry-out.js';
import { type Admitted, type Claim, type Ground, type Refused, shownBy, sourceId, type Verdict } from './claim.js';
import type { DpsGround, DpsReply } from './dps.js';
import { withNearestEnrolment } from './nearest-enrolment.js';
import { issuesCertificates } from './previews.js';
import { readRequest } from './request.js';
import { readSigningRequest, type SigningRequest } from './signing-request.js';
import { toldState } from './told.js';
import { challengeKeys, endorsementFlaw, type TpmCredential, withEnrolledTpm } from './tpm.js';

/** Who speaks, and where it reached us. */
export interface Speaker {
  claim: Claim;
  transport: Transport;
  /** Region of the edge, where that is known. */
  region: string | undefined;
}

/** A caller that may speak; over a connection it speaks more than once, and is attested once. */
export class DpsSession {
  readonly #claim: Claim;
  readonly #speaker: Speaker;
  readonly #ground: DpsGround;
  readonly #key: string;
  #attested = false;

  constructor(speaker: Speaker, ground: DpsGround) {
    this.#claim = speaker.claim;
    this.#speaker = speaker;
    this.#ground = ground;
    this.#key = canonicalRegistrationId(speaker.claim.registrationId);
  }

  /** @param body of the register request */
  async register(body: Uint8Array): Promise<DpsReply> {
    const throttled = this.#ground.throttle.registration();
    if (throttled !== undefined) return this.#refuse(dpsErrors.throttled, throttled.reason, throttled.retryAfterSeconds);
    const read = readRequest(body, this.#claim.registrationId, this.#ground.limits.messageBytes);
    if ('flaw' in read) return this.#refuse(read.flaw.error, read.flaw.reason);
    const { credential } = this.#claim;
    if (credential.kind === 'tpm' && credential.token === undefined) return this.#challengeReply();
    const verdict = await this.#attest();
    if ('refused' in verdict) return this.#refuse(verdict.refused.error, verdict.refused.reason);

    const { source } = verdict.admitted;
    const asked = await readSigningRequest(read.csr, this.#claim, source);
    if (asked !== undefined && 'flaw' in asked) return this.#refuse(asked.flaw.error, asked.flaw.reason);
    const operation = operationId(this.#ground.entropy);
    const work = () =>
      this.#ground.turnstile.pass(this.#key, () => this.#assign(verdict.admitted, read.payload, operation, asked?.request));
    if (source.enrolment.allocationPolicy === 'custom') {
      // A webhook may take its time: the device asks again, as it does with Azure.
      await this.#keep(verdict.admitted, operation, undefined);
      this.#ground.background(work().catch((error: unknown) => this.#broken(verdict.admitted, operation, error)));
    } else await work();
    return { status: 202, body: { operationId: operation, status: 'assigning' }, retryAfter: this.#ground.retryAfter };
  }

  /** What became of an operation; the caller is attested here too, if it has not registered in this session. */
  async operation(operation: string): Promise<DpsReply> {
    const throttled = this.#ground.throttle.poll(this.#key);
    if (throttled !== undefined) return this.#refuse(dpsErrors.throttled, throttled.reason, throttled.retryAfterSeconds);
    const refusal = await this.#unattested();
    if (refusal !== undefined) return refusal;
    const record = await this.#ground.store.registrations.get(this.#key);
    if (record?.operationId !== operation) {
      return this.#refuse(dpsChoices.unknownOperation.value, {
        rule: 'operation-unknown',
        text: 'there is no such operation of this registration',
        seen: operation.slice(0, 80),
        expected: record === undefined ? 'a registration first' : 'the operation of the latest registration',
        nearest: record === undefined ? 'none: the device has not registered' : 'the operationId of the last 202',
        remedy: 'register again',
      });
    }
    const { status } = record.state;
    const { retryAfter } = this.#ground;
    const done = status !== 'assigning';
    return {
      status: done ? 200 : 202,
      body: { operationId: operation, status, registrationState: toldState(record, this.#claim.apiVersion, this.#ground.trustBundles) },
      ...(done ? {} : { retryAfter }),
    };
  }

  /** The present state of the registration, without registering: HTTPS has it. Counts as a registration for throttling. @param body of the request */
  async lookUp(body: Uint8Array = new Uint8Array()): Promise<DpsReply> {
    const throttled = this.#ground.throttle.registration();
    if (throttled !== undefined) return this.#refuse(dpsErrors.throttled, throttled.reason, throttled.retryAfterSeconds);
    const asked = parseJson(body);
    if (isJsonObject(asked) && asked.csr !== undefined && issuesCertificates(this.#claim.apiVersion)) {
      return this.#refuse(dpsErrors.badRequest, {
        rule: 'request-body',
        text: 'a csr came with a status lookup',
        seen: 'a member csr',
        expected: 'a status lookup without csr',
        nearest: 'the same request without csr',
        remedy: 'send the csr with the register request',
      });
    }
    const refusal = await this.#unattested();
    if (refusal !== undefined) return refusal;
    const record = await this.#ground.store.registrations.get(this.#key);
    if (record !== undefined) return { status: 200, body: record.state };
    return this.#refuse(dpsChoices.unknownRegistration.value, {
      rule: 'registration-unknown',
      text: 'the device has not registered yet, or its registration was deleted',
      seen: this.#claim.registrationId,
      expected: 'a registration first',
      nearest: 'the same request after a register request',
      remedy: 'register',
    });
  }

  /**
   * Challenges a TPM.
   * @returns what is for the TPM alone, bytes; or the refusal
   */
  async challenge(): Promise<{ authenticationKey: Uint8Array } | { refusal: DpsReply }> {
    const { credential } = this.#claim;
    if (credential.kind !== 'tpm') throw new Error('only a TPM can be challenged');
    const ground = await this.#knowledge();
    const flaw = endorsementFlaw(this.#claim, credential.endorsementKey, ground);
    if (flaw !== undefined) return { refusal: await this.#refuse(flaw.error, flaw.reason) };
    const [key] = ground.challengeKeys;
    if (key === undefined) throw new Error('no key for the challenge');
    const wrapped = await this.#wrap(key, credential, ground);
    return 'refused' in wrapped
      ? { refusal: await this.#refuse(wrapped.refused.error, wrapped.refused.reason) }
      : { authenticationKey: wrapped.blob };
  }

  async #challengeReply(): Promise<DpsReply> {
    const challenged = await this.challenge();
    if ('refusal' in challenged) return challenged.refusal;
    const authenticationKey = Buffer.from(challenged.authenticationKey).toString('base64');
    return { status: 401, body: { message: 'Authorization required', authenticationKey, keyName: DPS_DEVICE_KEY_NAME } };
  }

  async #assign(admitted: Admitted, payload: unknown, operation: string, asked: SigningRequest | undefined): Promise<void> {
    const { registrationId, apiVersion } = this.#claim;
    const { source } = admitted;
    const { region } = this.#speaker;
    const shown = shownBy(admitted, this.#claim);
    const assignment = await assign({ registrationId, apiVersion, source, region, payload, shown }, this.#ground);
    if ('failed' in assignment) await this.#keep(admitted, operation, assignment);
    else {
      const authentication = await this.#authentication(admitted);
      // A hub that cannot be reached would not learn of the certificate.
      const issued = asked === undefined || !assignment.reachable ? undefined : await this.#ground.issuance.issue(asked);
      const { authenticationKey } = authentication;
      const { x509 } = admitted;
      const issuedCertificateChain = issued?.chain;
      const kept = { registrationId, source, operationId: operation, assignment, authenticationKey, x509, issuedCertificateChain };
      await carryOut(kept, issued?.authentication ?? authentication.own, this.#ground);
    }
    await this.#tell(admitted, assignment);
  }

  // A TPM gets a hub key of its own, which only it can read.
  async #authentication({ authentication }: Admitted): Promise<{ own: DeviceAuthentication; authenticationKey?: string }> {
    if (authentication.type !== 'tpm') return { own: authentication };
    const { credential } = this.#claim;
    if (credential.kind !== 'tpm') throw new Error('a TPM was admitted that did not come with one');
    const primaryKey = generatedKey(this.#ground.entropy);
    const wrapped = await this.#wrap(Buffer.from(primaryKey, 'base64'), credential, await this.#knowledge());
    if ('refused' in wrapped) throw new Error(wrapped.refused.reason.text);
    const own: DeviceAuthentication = { type: 'sas', primaryKey, secondaryKey: generatedKey(this.#ground.entropy) };
    return { own, authenticationKey: Buffer.from(wrapped.blob).toString('base64') };
  }

  async #wrap(key: Uint8Array, credential: TpmCredential, { individual }: Ground): Promise<{ blob: Uint8Array } | { refused: Refused }> {
    const { wrapForTpm } = this.#ground;
    const { endorsementKey } = credential;
    const enrolled = individual?.attestation.type === 'tpm' ? individual.attestation.tpm.storageRootKey : undefined;
    const storageRootKey = credential.storageRootKey ?? (enrolled === undefined ? undefined : Buffer.from(enrolled, 'base64'));
    const flaw = (seen: string): { refused: Refused } => ({
      refused: {
        error: dpsErrors.badRequest,
        reason: {
          rule: 'tpm-keys',
          text: 'the TPM cannot be challenged with the keys that it sent',
          seen,
          expected: 'public areas of an endorsement key and a storage root key, as TPM2_ReadPublic gives them',
          nearest: 'the same request with tpm.endorsementKey and tpm.storageRootKey of the TPM',
          remedy: 'send both keys, base64',
        },
      },
    });
    if (storageRootKey === undefined) return flaw('no storageRootKey');
    if (wrapForTpm === undefined) return flaw('a cloud that serves no TPM');
    try {
      return { blob: await wrapForTpm(key, { endorsementKey, storageRootKey }) };
    } catch (error) {
      this.#ground.journal.log.debug({ err: error }, 'a key could not be wrapped for a TPM');
      return flaw(error instanceof Error ? error.message : 'keys that cannot be used');
    }
  }

  #keep({ source, x509 }: Admitted, operation: string, assignment: Assignment | undefined): Promise<RegistrationRecord> {
    const { registrationId } = this.#claim;
    const kept = { registrationId, source, operationId: operation, assignment, authenticationKey: undefined, x509 };
    return keepRegistration(kept, this.#ground);
  }

  async #tell({ source }: Admitted, assignment: Assignment): Promise<void> {
    const { registrationId } = this.#claim;
    if ('failed' in assignment) return this.#note('failed', { status: 200, errorCode: assignment.failed.code }, assignment.reason);
    await this.#note('assigned', { status: 200 }, assignment.reason);
    const { to, substatus } = assignment.move;
    const enrolment = { kind: source.kind, id: sourceId(source) };
    this.#ground.journal.tell('registered', { registrationId, deviceId: to.deviceId, hub: to.hub, substatus, enrolment });
  }

  // Nobody waits for this registration: the device learns by its next poll that it failed.
  async #broken(admitted: Admitted, operation: string, error: unknown): Promise<void> {
    if (this.#ground.closing.aborted) return;
    this.#ground.journal.log.error({ err: error }, 'a registration could not be carried out');
    const reason: Reason = { rule: 'internal', text: 'the cloud itself failed; its log says how', remedy: 'report this' };
    try {
      await this.#keep(admitted, operation, { failed: dpsErrors.internal, reason });
      await this.#note('failed', { status: 200, errorCode: dpsErrors.internal.code }, reason);
    } catch (cause) {
      this.#ground.journal.log.error({ err: cause }, 'nor could its failure be kept');
    }
  }

  async #unattested(): Promise<DpsReply | undefined> {
    if (this.#attested) return undefined;
    const verdict = await this.#attest(withEnrolledTpm(this.#claim, await this.#ground.store.individuals.get(this.#key)));
    return 'refused' in verdict ? this.#refuse(verdict.refused.error, verdict.refused.reason) : undefined;
  }

  async #attest(claim = this.#claim): Promise<Verdict> {
    const verdict = attest(claim, await this.#knowledge(claim));
    this.#attested = 'admitted' in verdict;
    return verdict;
  }

  async #knowledge({ credential } = this.#claim): Promise<Ground> {
    const { store, clock, challengeSecret } = this.#ground;
    const now = clock.now();
    const [individual, groups, certificates] = await Promise.all([
      store.individuals.get(this.#key),
      store.groups.list(),
      store.certificates.list(),
    ]);
    const keys = credential.kind === 'tpm' ? challengeKeys(challengeSecret, this.#key, credential.endorsementKey, now) : [];
    return { individual, groups, certificates, challengeKeys: keys, now };
  }

  async #refuse(error: ServiceErrorEntry, reason: Reason, retryAfter?: number): Promise<DpsReply> {
    const { entropy, clock } = this.#ground;
    const status = httpStatusOf(error.code);
    const { registrationId } = this.#claim;
    await this.#note('refused', { status, errorCode: error.code }, await withNearestEnrolment(reason, registrationId, this.#ground.store));
    const body = errorBody(error, guid(entropy), clock.now());
    return { status, body, ...(retryAfter === undefined ? {} : { retryAfter }) };
  }

  async #note(outcome: Attempt['outcome'], wire: WireAnswer, reason: Reason): Promise<void> {
    const { registrationId: id } = this.#claim;
    const { transport } = this.#speaker;
    await this.#ground.journal.attempt({ service: 'dps', host: GLOBAL_DPS_HOST, transport, id, outcome, wire, reason });
  }
}
