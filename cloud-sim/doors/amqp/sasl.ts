import { parseSas } from '@zerotouch/azure-wire/sas';
import { isFault } from '@zerotouch/foundation/fault';

/** A SASL exchange as the AMQP library drives it: `outcome` stays `undefined` as long as another challenge follows. */
export interface Mechanism {
  outcome: boolean | undefined;
  username?: string;
  start(response: Buffer | undefined, hostname: string | undefined): Mechanism.Challenge;
  step?(response: Buffer | undefined): Mechanism.Challenge;
}

export declare namespace Mechanism {
  /** The challenge to send, when there is no outcome yet. */
  type Challenge = Buffer | undefined | Promise<Buffer | undefined>;
}

/** What a client proved or claimed before AMQP itself began. */
export interface SaslIdentity {
  /** Of the link address that it may use: `{idScope}/registrations/{registrationId}`. */
  userName?: string;
  /** A SAS token in due form; whether it is good is judged at register. */
  password?: string;
  /** Public areas of a device that attests by its TPM; the password then answers its challenge. */
  tpm?: { endorsementKey: Uint8Array; storageRootKey: Uint8Array };
}

/** SASL PLAIN (RFC 4616): user name `{idScope}/registrations/{registrationId}` at DPS, `{deviceId}@sas.{hub}` at a hub; password a SAS token. */
export class Plain implements Mechanism {
  outcome: boolean | undefined;
  readonly #identity: SaslIdentity;

  constructor(identity: SaslIdentity) {
    this.#identity = identity;
  }

  start(response: Buffer | undefined): undefined {
    const [, userName = '', password = '', ...more] = (response ?? Buffer.alloc(0)).toString('utf8').split('\0');
    // A hub says at the link what is wrong with a token, and the reason is kept there.
    this.outcome = more.length === 0 && userName !== '' && (isToken(password) || /@sas\./i.test(userName));
    if (this.outcome) Object.assign(this.#identity, { userName, password });
  }
}

/** SASL EXTERNAL (RFC 4422, appendix A): the client certificate of the TLS handshake, which must be there. */
export class External implements Mechanism {
  outcome: boolean | undefined;
  readonly #certified: () => boolean;

  constructor(certified: () => boolean) {
    this.#certified = certified;
  }

  start(): undefined {
    this.outcome = this.#certified();
  }
}

/**
 * SASL ANONYMOUS (RFC 4505), and what Azure calls MSSBCBS: nobody says who they are, for a token comes later, over the link `$cbs`, or the
 * certificate of the TLS handshake counts. Source: azure-uamqp-c, saslclient with saslmssbcbs.
 */
export class Later implements Mechanism {
  outcome: boolean | undefined;

  start(): undefined {
    this.outcome = true;
  }
}

/** A mechanism that was not offered. */
export class Unknown implements Mechanism {
  outcome: boolean | undefined;

  start(): undefined {
    this.outcome = false;
  }
}

/** Whether a text has the form of a SAS token. */
export function isToken(text: string): boolean {
  try {
    parseSas(text);
    return true;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}
