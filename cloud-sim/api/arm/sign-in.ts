import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { PrincipalRecord } from '../../store/store.js';
import { originOf } from './origin.js';
import { isSecretOf, TENANT, TOKEN_SECONDS, type Tokens } from './tokens.js';

/** What signing in works with. */
export interface SignInParts {
  tokens: Tokens;
  operator: PrincipalRecord;
}

/** Hosts that the audience of a token may have: those of this machine, and those of the public Azure that clients ask for by themselves. */
const AUDIENCES = /^https:\/\/(localhost|127\.0\.0\.1|management\.azure\.com|management\.core\.windows\.net)(:\d+)?\/*$/i;

/**
 * The sign-in of the ADFS form, which clients take without asking any other host: metadata of the cloud, OpenID discovery, tokens for a service
 * principal. Source: what az 2.45 and MSAL ask for; RFC 6749, 4.4.
 */
export function mountSignIn(app: FastifyInstance, { tokens, operator }: SignInParts): void {
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
    done(null, Object.fromEntries(new URLSearchParams(body as string))),
  );
  app.get('/metadata/endpoints', async (request) => metadata(originOf(request)));
  // az asks for the second one when it is told a tenant that is no GUID.
  for (const url of ['/adfs/.well-known/openid-configuration', '/adfs/:tenant/.well-known/openid-configuration']) {
    app.get(url, async (request) => discovery(originOf(request)));
  }
  app.get('/adfs/discovery/keys', () => tokens.keySet());
  for (const url of ['/adfs/oauth2/token', '/adfs/oauth2/v2.0/token']) {
    app.post(url, async (request, reply) => {
      reply.header('cache-control', 'no-store');
      const answer = await grant(formOf(request), operator, tokens);
      return reply.code('error' in answer ? (answer.error === 'invalid_client' ? 401 : 400) : 200).send(answer);
    });
  }
}

/**
 * Lets a call of the resource manager pass.
 * @returns why it may not, or `undefined` when it may
 */
export async function signInFlaw(request: FastifyRequest, reply: FastifyReply, tokens: Tokens): Promise<string | undefined> {
  const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const flaw =
    token === undefined
      ? 'the Authorization header holds no bearer token'
      : await tokens.flawOf(token, (audience) => AUDIENCES.test(audience));
  if (flaw !== undefined) reply.header('www-authenticate', `Bearer authorization_uri="${originOf(request)}/adfs", error="invalid_token"`);
  return flaw;
}

async function grant(form: Readonly<Record<string, string>>, operator: PrincipalRecord, tokens: Tokens): Promise<object> {
  if (form.grant_type !== 'client_credentials') {
    return refusal(
      'unsupported_grant_type',
      'the local cloud signs in service principals: grant_type=client_credentials; az login --service-principal',
    );
  }
  const { client_id: id = '', client_secret: secret = '' } = form;
  if (id.toLowerCase() !== operator.clientId || !isSecretOf(operator, secret)) {
    return refusal('invalid_client', 'there is no such client id, or the secret is wrong; zerotouch cloud --print-az prints both');
  }
  const audience = form.resource ?? form.scope?.split(' ')[0]?.replace(/\/+\.default$/, '') ?? '';
  if (!AUDIENCES.test(audience))
    return refusal('invalid_scope', `tokens are for the resource manager, not for ${JSON.stringify(audience)}`);
  return {
    token_type: 'Bearer',
    expires_in: TOKEN_SECONDS,
    ext_expires_in: TOKEN_SECONDS,
    access_token: await tokens.issue(operator.clientId, audience),
  };
}

// `error` and `error_description` are all that clients look at (RFC 6749, 5.2).
function refusal(error: string, description: string): object {
  return { error, error_description: description };
}

// What came as JSON may hold anything; a form holds texts.
function formOf({ body }: FastifyRequest): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(body ?? {}).filter(([, value]) => typeof value === 'string'));
}

function discovery(origin: string): object {
  return {
    issuer: `${origin}/adfs`,
    authorization_endpoint: `${origin}/adfs/oauth2/authorize`,
    token_endpoint: `${origin}/adfs/oauth2/v2.0/token`,
    jwks_uri: `${origin}/adfs/discovery/keys`,
    token_endpoint_auth_methods_supported: ['client_secret_post'],
    grant_types_supported: ['client_credentials'],
    response_types_supported: ['token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: ['ES256'],
    scopes_supported: ['openid'],
  };
}

function metadata(origin: string): object {
  return {
    name: 'zerotouch',
    portal: origin,
    resourceManager: origin,
    authentication: { loginEndpoint: `${origin}/adfs`, audiences: [origin], tenant: TENANT, identityProvider: 'ADFS' },
    graphEndpoint: origin,
    galleryEndpoint: origin,
    suffixes: {},
  };
}
