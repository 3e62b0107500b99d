import { z } from 'zod';
import type { CertificateService, CertificateView } from '../../dps/authorities.js';
import { ArmError, badRequest } from './errors.js';
import { type ArmAnswer, type ArmCall, type ArmRoute, collectionUrls, PROVIDER, resourceId } from './route.js';
import { flawed } from './service-body.js';

const content = { certificate: z.string().nullish(), isVerified: z.boolean().nullish() };
// Until 2021-10-15 the members were at the top; from 2022-02-05 on they are under `properties`.
const uploadBody = z.looseObject({ ...content, properties: z.looseObject(content).nullish() });
const proofBody = z.looseObject({ certificate: z.string().min(1) });

const NAME = /^[A-Za-z0-9._-]{1,64}$/;

/** Whose certificates they are. */
export interface CertificateOwner {
  /** Type of the resource that has them. */
  type: string;
  /** Status of an upload that is not a replacement: the specification files of DPS know no 201. */
  created: 200 | 201;
  /** @throws ArmError 404 when there is no such resource */
  authoritiesOf(call: ArmCall): Promise<CertificateService>;
}

/** CA certificates of a DPS or a hub and their proof of possession. Source: swagger of both resources, CertificateProperties. */
export function certificateRoutes({ type, created, authoritiesOf }: CertificateOwner): ArmRoute[] {
  const all = `${collectionUrls(type).ofGroup}/:name/certificates`;
  const one = `${all}/:part`;
  const of = async (call: ArmCall) => {
    const authorities = await authoritiesOf(call);
    const parent = { type, id: resourceId({ ...call, resourceGroup: call.group }, type, call.name) };
    return { authorities, shown: (view: CertificateView): ArmAnswer => ({ body: shownCertificate(parent, view) }) };
  };
  return [
    {
      method: 'GET',
      url: all,
      answer: async (call) => {
        const { authorities, shown } = await of(call);
        return { body: { value: (await authorities.list()).map((view) => shown(view).body) } };
      },
    },
    {
      method: 'GET',
      url: one,
      answer: async (call) => {
        const { authorities, shown } = await of(call);
        const view = await authorities.get(call.part);
        if (view !== undefined) return shown(view);
        throw new ArmError(404, 'CertificateNotFound', `there is no CA certificate ${JSON.stringify(call.part)}`);
      },
    },
    {
      method: 'PUT',
      url: one,
      answer: async (call) => {
        const { authorities, shown } = await of(call);
        if (!NAME.test(call.part)) throw badRequest('a certificate has a name of 1 to 64 letters, digits and . _ -');
        const { certificate, isVerified } = readUpload(call.body);
        const isNew = (await authorities.get(call.part)) === undefined;
        const answer = shown(await authorities.upload(call.part, certificate, { ...isVerified, ...etagOf(call) }));
        return isNew ? { ...answer, status: created } : answer;
      },
    },
    {
      method: 'DELETE',
      url: one,
      answer: async (call) => {
        const { authorities } = await of(call);
        return { status: (await authorities.delete(call.part, demandedEtag(call))) ? 200 : 204 };
      },
    },
    {
      method: 'POST',
      url: `${one}/generateVerificationCode`,
      answer: async (call) => {
        const { authorities, shown } = await of(call);
        const view = await authorities.generateVerificationCode(call.part, demandedEtag(call));
        const { body } = shown(view) as { body: { properties: object } };
        return { body: { ...body, properties: { ...body.properties, verificationCode: view.verificationCode } } };
      },
    },
    {
      method: 'POST',
      url: `${one}/verify`,
      answer: async (call) => {
        const { authorities, shown } = await of(call);
        const read = proofBody.safeParse(call.body);
        if (!read.success) throw flawed(read.error);
        return shown(await authorities.verify(call.part, read.data.certificate, demandedEtag(call)));
      },
    },
  ];
}

function readUpload(body: unknown): { certificate: string; isVerified: { isVerified?: boolean } } {
  const read = uploadBody.safeParse(body);
  if (!read.success) throw flawed(read.error);
  const { certificate, isVerified } = { ...read.data, ...read.data.properties };
  if (!certificate) throw badRequest('certificate is missing: base64 of a PEM or DER file');
  return { certificate, isVerified: isVerified == null ? {} : { isVerified } };
}

function etagOf({ ifMatch }: ArmCall): { etag?: string } {
  return ifMatch === undefined ? {} : { etag: ifMatch };
}

function demandedEtag({ ifMatch }: ArmCall): string {
  if (ifMatch !== undefined) return ifMatch;
  throw new ArmError(400, 'IfMatchHeaderMissing', 'the header If-Match is required: the etag of the certificate, or *');
}

function shownCertificate(parent: { type: string; id: string }, view: CertificateView): object {
  const { name, subject, expiry, thumbprint, isVerified, etag, created, updated, certificate } = view;
  return {
    id: `${parent.id}/certificates/${name}`,
    name,
    type: `${PROVIDER}/${parent.type}/certificates`,
    etag,
    properties: {
      subject,
      expiry: httpDate(expiry),
      thumbprint,
      isVerified,
      created: httpDate(created),
      updated: httpDate(updated),
      certificate: certificate.replace(/-----[A-Z ]+-----|\s/g, ''),
    },
  };
}

// The swagger says date-time-rfc1123.
function httpDate(iso: string): string {
  return new Date(iso === '' ? 0 : iso).toUTCString();
}
