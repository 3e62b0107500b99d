import type { X509Certificate } from 'node:crypto';
import type { Identity } from '../identity/identity.js';
import type { DriverPorts } from './driver-ports.js';
import { type Findings, present } from './findings.js';
import type { Endpoint } from './ports.js';
import { type DeviceWarning, rootWarnings } from './root-warnings.js';

/** Where a device goes, whom it trusts there, and what is to be warned about in that. */
export class Destination {
  readonly #ports: Pick<DriverPorts, 'endpoint' | 'clock'>;
  readonly #findings: Findings;
  readonly #identity: () => Identity;
  #endpoint: Endpoint | undefined;
  /** The burnt root that a server's chain ended at last. */
  #serverRoot: X509Certificate | undefined;
  #warnings: readonly DeviceWarning[] = [];

  constructor(ports: Pick<DriverPorts, 'endpoint' | 'clock'>, findings: Findings, identity: () => Identity) {
    this.#ports = ports;
    this.#findings = findings;
    this.#identity = identity;
  }

  /** Where it goes, as it was told last. */
  get endpoint(): Endpoint | undefined {
    return this.#endpoint;
  }

  /** What was found at the last look. */
  get warnings(): readonly DeviceWarning[] {
    return this.#warnings;
  }

  /** An identity was read. @throws what the port throws */
  begin(): void {
    this.#endpoint = this.#ports.endpoint(this.#identity());
    this.#warnings = [];
  }

  /** Asked anew for each attempt: a cloud that was started again may be elsewhere, with another certificate authority. */
  find(): Endpoint {
    this.#findings.guarded('finding out where to go', () => {
      this.#endpoint = this.#ports.endpoint(this.#identity());
    });
    const endpoint = present(this.#endpoint, 'an endpoint');
    const { serverRoots } = this.#identity();
    if (serverRoots === undefined) return endpoint;
    // What was burnt holds over what the runtime trusts and was given: a device in the field has nothing else.
    const onRoot = (root: X509Certificate): void => {
      this.#serverRoot = root;
    };
    return { ...endpoint, ca: serverRoots.pem, onRoot };
  }

  /** Looks at the server roots, and tells what is new in them to be warned about. */
  lookAtRoots(isClockSet: boolean): void {
    const { serverRoots } = this.#identity();
    if (serverRoots === undefined) return;
    const before = this.#warnings;
    this.#warnings = rootWarnings(serverRoots, this.#serverRoot, isClockSet ? this.#ports.clock.now() : undefined);
    for (const warning of this.#warnings) {
      if (!before.some(({ code, where }) => code === warning.code && where === warning.where)) this.#findings.watcher.warned?.(warning);
    }
  }
}
